"""A Llama of the same shape in torch and transformers, with random weights: what Forge is beside.

`generate` with a static cache and compiled, one forward with torch's own attention, and continuous
batching. torch and transformers are imported here alone, where they are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

DEVICE = "cuda"
ATTENTION = "sdpa"  # torch's own
BLOCK_SIZE = 256  # of continuous batching, as it has it by default
FLASH_ATTENTION = ("is_flash_attn_2_available", "is_flash_attn_3_available")
NO_TOKEN = -1  # ends no sequence


class Missing(Exception):
    """A library, or what it needs, is not there."""


class TorchLlama:
    def __init__(self, directory: Path, device: str = DEVICE) -> None:
        """Of the config in `directory`. Missing, with the reason, where it cannot be had."""
        try:
            torch: Any = import_module("torch")
            transformers: Any = import_module("transformers")
        except ImportError as error:
            raise Missing(f"torch and transformers are not both there: {error}") from error
        if device == DEVICE and not torch.cuda.is_available():
            raise Missing("torch finds no GPU")
        self._torch = torch
        self._transformers = transformers
        self._device = device
        config = transformers.LlamaConfig.from_pretrained(directory)
        config._attn_implementation = ATTENTION
        self._model = self._random_model(config)

    @property
    def has_flash_attention(self) -> bool:
        """Which continuous batching takes where it is there, without being told to."""
        utils = import_module("transformers.utils")
        return any(getattr(utils, name)(kernels_fallback_ok=True) for name in FLASH_ATTENTION)

    @property
    def versions(self) -> str:
        return f"torch {self._torch.__version__}, transformers {self._transformers.__version__}"

    def decode_step_s(self, prompt_token_ids: Sequence[int], num_tokens: int) -> float:
        """The median step of a greedy `generate` with a static cache, which compiles itself."""
        times = StepTimer(self._torch, self._device)
        self._model.generate(
            self._tensor(prompt_token_ids),
            cache_implementation="static",
            do_sample=False,
            min_new_tokens=num_tokens,
            max_new_tokens=num_tokens,
            stopping_criteria=self._transformers.StoppingCriteriaList([times]),
            pad_token_id=0,
        )
        return times.median_s()

    def forward_s(self, prompt_token_ids: Sequence[int]) -> float:
        """One forward of a whole prompt, with the logits of its last token."""
        tokens = self._tensor(prompt_token_ids)
        times = StepTimer(self._torch, self._device)
        with self._torch.inference_mode():
            times.mark()
            self._model(tokens, use_cache=True, logits_to_keep=1)
            times.mark()
        return times.median_s()

    def batching_s(self, prompts: Sequence[Sequence[int]], num_tokens: int) -> float:
        """All prompts at once through `generate_batch`, `num_tokens` out of each: from when the
        first one ran to the last one's end.

        Its manager is kept from the first call on, so that only that one sets it up; from then on
        the model attends over pages, and is good for nothing else.
        """
        transformers = self._transformers
        generation = transformers.GenerationConfig(
            max_new_tokens=num_tokens, do_sample=False, eos_token_id=NO_TOKEN, pad_token_id=0
        )
        longest = num_tokens + max(len(prompt) for prompt in prompts)
        batching = transformers.generation.ContinuousBatchingConfig(
            num_blocks=len(prompts) * (1 + -(-longest // BLOCK_SIZE)),
            block_size=BLOCK_SIZE,
            allow_block_sharing=False,  # or prompts that come again would be there already
        )
        outputs = self._model.generate_batch(
            [list(prompt) for prompt in prompts],
            generation_config=generation,
            continuous_batching_config=batching,
            persistent_manager=True,
        )
        num_generated = sum(len(output.generated_tokens) for output in outputs.values())
        if num_generated != num_tokens * len(prompts):
            raise RuntimeError(f"continuous batching gave {num_generated} tokens")
        begun, ended = zip(*(output.lifespan for output in outputs.values()), strict=True)
        return float(max(ended) - min(begun))

    def close(self) -> None:
        """End what continuous batching left running."""
        self._model.destroy_cached_continuous_batching_manager()

    def _random_model(self, config: Any) -> Any:
        default = self._torch.get_default_dtype()
        self._torch.set_default_dtype(self._torch.bfloat16)
        try:
            with self._torch.device(self._device):
                model = self._transformers.LlamaForCausalLM(config)
        finally:
            self._torch.set_default_dtype(default)
        return model.eval()

    def _tensor(self, token_ids: Sequence[int]) -> Any:
        return self._torch.tensor([list(token_ids)], device=self._device)


class StepTimer:
    """A stopping criterion that never stops, and notes when it is asked: once a step."""

    def __init__(self, torch: Any, device: str) -> None:
        self._torch = torch
        self._is_cuda = device == DEVICE
        self._marks: list[Any] = []

    def __call__(self, input_ids: Any, scores: Any, **options: Any) -> Any:
        self.mark()
        return self._torch.zeros(len(input_ids), dtype=self._torch.bool, device=input_ids.device)

    def mark(self) -> None:
        if not self._is_cuda:
            self._marks.append(perf_counter())
            return
        event = self._torch.cuda.Event(enable_timing=True)
        event.record()
        self._marks.append(event)

    def median_s(self) -> float:
        if not self._is_cuda:
            return float(median(later - earlier for earlier, later in pairwise(self._marks)))
        self._torch.cuda.synchronize()
        pairs = pairwise(self._marks)
        return float(median(earlier.elapsed_time(later) for earlier, later in pairs)) / 1e3
