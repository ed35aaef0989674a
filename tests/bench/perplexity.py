"""What a format of weights, or of cached keys and values, costs the demo model, on text it was not
trained on.

    python -m tests.bench.perplexity [FILE.gguf ...]
    python -m tests.bench.perplexity --kv

A row for each format that Forge writes, made here, and one for each file given: formats that only
others write. With --kv a row for each `--kv-dtype` of a CPU, weights in float32. The numbers depend
on the weights alone, not on the machine, but for the last digit.

    perplexity    of the answers of held-out conversations, each token given what stands before it
    divergence    Kullback-Leibler, in nats a token, from what the weights as they were would say
    same token    how often the likeliest token is still the likeliest

Perplexity alone says little of small losses: a model that is less sure of itself may score better.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint import Checkpoint
from forge_common.config import DeviceSettings
from forge_common.demo_model import demo_model_path
from forge_common.demo_model.making.held_out import items
from forge_common.demo_model.making.markup import TURN_START, renderer
from forge_common.kv_format import NUMBER_BYTES, SCALE_BYTES, KVFormatName
from forge_common.tokenizer import Tokenizer
from forge_worker.forward_inputs import FloatArray, IntArray
from forge_worker.models.load import load_model
from forge_worker.models.registry import Model
from forge_worker.quantization.encode import ENCODERS
from tests.gguf_models import write_gguf_model
from tests.worker.forward import Runner

EVERY = 4  # of the conversations
BATCH = 16
BLOCK_SIZE = 16
NUM_BLOCKS = 1024


class Text(NamedTuple):
    token_ids: list[int]
    num_given: int  # tokens before the answer


class Row(NamedTuple):
    name: str
    bits: float  # a weight, or a cached number
    perplexity: float
    divergence: float
    same_token: float

    def __str__(self) -> str:
        return (
            f"| {self.name} | {self.bits:.2f} | {self.perplexity:.3f}"
            f" | {self.divergence:.5f} | {self.same_token:.1%} |"
        )


HEAD = "| format | bits a {} | perplexity | divergence | same token |\n|---|---:|---:|---:|---:|"
NUMPY = DeviceSettings(cpu_kernels="numpy")
KV_FORMATS: tuple[KVFormatName, ...] = ("float32", "bfloat16", "int8", "fp8")


def main(arguments: list[str]) -> None:
    texts = held_out_texts()
    of_caches = arguments == ["--kv"]
    head = HEAD.format("number" if of_caches else "weight")
    print(f"{len(expected_tokens(texts))} tokens of {len(texts)} answers\n\n{head}", flush=True)
    rows = kv_rows(texts) if of_caches else weight_rows(texts, [Path(path) for path in arguments])
    for made in rows:
        print(made, flush=True)


def weight_rows(texts: list[Text], paths: list[Path]) -> Iterator[Row]:
    plain = log_probabilities(demo_model_path(), texts)
    with TemporaryDirectory() as directory:
        for dtype in ("F32", "BF16", "F16", *sorted(ENCODERS, reverse=True)):
            path = write_gguf_model(demo_model_path(), Path(directory) / f"{dtype}.gguf", dtype)
            yield weight_row(dtype, path, texts, plain)
    for path in paths:
        yield weight_row(path.stem, path, texts, plain)


def weight_row(name: str, path: Path, texts: list[Text], plain: FloatArray) -> Row:
    return row(name, bits_per_weight(path), texts, (log_probabilities(path, texts), plain))


def kv_rows(texts: list[Text]) -> Iterator[Row]:
    """Of native kernels; the first is what the others are measured against."""
    path = demo_model_path()
    with Checkpoint.open(path) as checkpoint:
        head_dim = checkpoint.config.head_dim
    plain: FloatArray | None = None
    for name in KV_FORMATS:
        settings = DeviceSettings(dtype="float32", kv_dtype=name)
        found = log_probabilities(path, texts, settings)
        plain = found if plain is None else plain
        bits = 8 * (NUMBER_BYTES[name] + SCALE_BYTES[name] / head_dim)
        yield row(name, bits, texts, (found, plain))


def expected_tokens(texts: list[Text]) -> IntArray:
    return np.concatenate([text.token_ids[text.num_given :] for text in texts])


def row(name: str, bits: float, texts: list[Text], said: tuple[FloatArray, FloatArray]) -> Row:
    """`said`: log probabilities, and those that they are compared with."""
    expected, (found, plain) = expected_tokens(texts), said
    losses = -found[np.arange(len(expected)), expected]
    divergences = (np.exp(plain) * (plain - found)).sum(axis=1)
    return Row(
        name,
        bits,
        float(np.exp(losses.mean(dtype=np.float64))),
        float(divergences.mean(dtype=np.float64)),
        float((plain.argmax(axis=1) == found.argmax(axis=1)).mean()),
    )


def held_out_texts() -> list[Text]:
    """Conversations as the model's template writes them; the answer is the last message."""
    tokenizer, render = Tokenizer.open(demo_model_path()), renderer()
    answer_start = f"{TURN_START}assistant\n"
    texts = []
    for item in items()[::EVERY]:
        given, start, answer = render(item.talk, False).rpartition(answer_start)
        num_given = len(tokenizer.encode(given + start))
        texts.append(Text(tokenizer.encode(given + start + answer), num_given))
    return texts


def bits_per_weight(path: Path) -> float:
    with Checkpoint.open(path) as checkpoint:
        num_weights = sum(int(np.prod(tensor.shape)) for tensor in checkpoint.tensors.values())
        return 8 * checkpoint.num_bytes / num_weights


def log_probabilities(
    path: Path, texts: list[Text], settings: DeviceSettings = NUMPY
) -> FloatArray:
    """At the place of every token of the answers: [num_tokens, vocab_size]."""
    model = load_model(path, settings, lambda done, total: None)
    starts = range(0, len(texts), BATCH)
    return np.concatenate([_of_batch(model, texts[start : start + BATCH]) for start in starts])


def _of_batch(model: Model, texts: list[Text]) -> FloatArray:
    runner = Runner(model, BLOCK_SIZE, NUM_BLOCKS)
    found = runner.step({index: text.token_ids[:-1] for index, text in enumerate(texts)})
    rows = [found[index][text.num_given - 1 :] for index, text in enumerate(texts)]
    wide = np.concatenate(rows).astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    normalised: FloatArray = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return normalised


if __name__ == "__main__":
    main(sys.argv[1:])
