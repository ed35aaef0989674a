"""The training loop: batches in, a trained state dict out, a checkpoint every few hundred steps.

It does not know what the text says, nor how the model is stored for serving.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from forge_common.demo_model.making.corpus import Phase, TrainingBatch, batches, documents
from forge_common.demo_model.making.model import DemoLlama, Shape
from forge_common.demo_model.making.muon import Muon


@dataclass(frozen=True)
class Recipe:
    """How long and how hard to train. The learning rate rises, holds, and falls to zero over the
    last phase.
    """

    phases: tuple[Phase, ...]
    seed: int = 1
    tokens_per_batch: int = 8192
    muon_lr: float = 0.02
    adam_lr: float = 0.004
    warmup_steps: int = 60
    checkpoint_every: int = 100
    is_compiled: bool = False

    @property
    def num_steps(self) -> int:
        return sum(phase.num_steps for phase in self.phases)


def rate(recipe: Recipe, step: int) -> float:
    falling = recipe.phases[-1].num_steps
    return min(1.0, (step + 1) / recipe.warmup_steps, (recipe.num_steps - step) / falling)


def optimizers(model: DemoLlama, recipe: Recipe) -> list[torch.optim.Optimizer]:
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim == 1 or "embed" in name]
    found = [
        Muon(matrices, recipe.muon_lr),
        torch.optim.AdamW(others, recipe.adam_lr, (0.9, 0.95), weight_decay=0.0),
    ]
    for optimizer in found:
        for group in optimizer.param_groups:
            group["top_lr"] = group["lr"]
    return found


def loss_of(
    model: DemoLlama, hidden_of: Callable[[Tensor], Tensor], batch: TrainingBatch
) -> Tensor:
    """Mean cross-entropy over the tokens to be learned; only their logits are computed."""
    token_ids, is_learned = (
        torch.from_numpy(batch.token_ids),
        torch.from_numpy(batch.is_learned)[:, 1:],
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = hidden_of(token_ids)[:, :-1][is_learned]
        logits = model.logits(hidden)
    return F.cross_entropy(logits, token_ids[:, 1:][is_learned])


def schedule(
    tokenizer: Tokenizer, recipe: Recipe, first: int
) -> Iterator[tuple[int, TrainingBatch]]:
    """(step, batch) from step `first` on; the corpus of a phase already done is not written again."""
    start = 0
    for phase in recipe.phases:
        end = start + phase.num_steps
        if first < end:
            pairs = zip(range(start, end), epochs(tokenizer, phase, recipe), strict=False)
            yield from islice(pairs, max(0, first - start), None)
        start = end


def epochs(tokenizer: Tokenizer, phase: Phase, recipe: Recipe) -> Iterator[TrainingBatch]:
    found, rng = documents(tokenizer, phase), Random(recipe.seed)
    num_tokens = sum(len(item.token_ids) for item in found)
    print(f"{len(found)} documents, {num_tokens} tokens", flush=True)
    while True:
        yield from batches(found, phase.lengths, rng, recipe.tokens_per_batch, padding=0)


def train(tokenizer: Tokenizer, shape: Shape, recipe: Recipe, checkpoint: Path) -> DemoLlama:
    """Trains from `checkpoint` if it exists, else from scratch."""
    torch.manual_seed(recipe.seed)
    model = DemoLlama(shape)
    steppers = optimizers(model, recipe)
    first = restore(checkpoint, model, steppers)
    hidden_of = torch.compile(model.model, dynamic=False) if recipe.is_compiled else model.model
    started, average = time.monotonic(), 0.0
    for step, batch in schedule(tokenizer, recipe, first):
        loss = one_step(model, hidden_of, steppers, batch, rate(recipe, step))
        average += 0.02 * (loss - average) if average else loss
        if step % 20 == 0:
            elapsed = time.monotonic() - started
            print(f"step {step:5d}  loss {average:.4f}  {elapsed:7.1f} s", flush=True)
        if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == recipe.num_steps:
            save(checkpoint, model, steppers, step + 1)
    return model


def one_step(
    model: DemoLlama,
    hidden_of: Callable[[Tensor], Tensor],
    steppers: list[torch.optim.Optimizer],
    batch: TrainingBatch,
    share: float,
) -> float:
    loss = loss_of(model, hidden_of, batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for stepper in steppers:
        for group in stepper.param_groups:
            group["lr"] = group["top_lr"] * share
        stepper.step()
        stepper.zero_grad()
    return loss.item()


def save(
    checkpoint: Path, model: DemoLlama, steppers: list[torch.optim.Optimizer], step: int
) -> None:
    states = [stepper.state_dict() for stepper in steppers]
    partial = checkpoint.with_suffix(".partial")
    torch.save({"model": model.state_dict(), "steppers": states, "step": step}, partial)
    partial.replace(checkpoint)


def restore(checkpoint: Path, model: DemoLlama, steppers: list[torch.optim.Optimizer]) -> int:
    """The number of steps already done."""
    if not checkpoint.exists():
        return 0
    saved = torch.load(checkpoint, weights_only=True)
    model.load_state_dict(saved["model"])
    for stepper, state in zip(steppers, saved["steppers"], strict=True):
        stepper.load_state_dict(state)
    return int(saved["step"])
