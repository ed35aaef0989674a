"""GenerationDefaults: how a model's makers would sample it, from `generation_config.json`.

`None` means "not stated": what to do then is the reader's policy. `do_sample` is not read: whoever
wants greedy decoding asks for temperature 0. Knows nothing of requests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from forge_common.checkpoint.json_file import read_json
from forge_common.sampling import RepetitionPenalty

TokenId = Annotated[int, Meta(ge=0, lt=2**31)]


class StatedGeneration(Struct, frozen=True, kw_only=True):
    """The file word for word; a `top_k` of 0 or less means "no limit" there."""

    temperature: Annotated[float, Meta(ge=0.0, le=100.0)] | None = None
    top_k: Annotated[int, Meta(lt=2**31)] | None = None
    top_p: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    min_p: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    repetition_penalty: RepetitionPenalty | None = None
    eos_token_id: TokenId | Annotated[list[TokenId], Meta(max_length=1024)] | None = None


class GenerationDefaults(Struct, frozen=True, kw_only=True):
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    eos_token_ids: tuple[int, ...] = ()


def read_generation_defaults(path: Path, model_eos: tuple[int, ...]) -> GenerationDefaults:
    """`path` may be absent. `model_eos`, from `config.json`, counts where the file states none."""
    if not path.exists():
        return GenerationDefaults(eos_token_ids=model_eos)
    return resolve_generation(read_json(path, StatedGeneration), model_eos)


def resolve_generation(stated: StatedGeneration, model_eos: tuple[int, ...]) -> GenerationDefaults:
    return GenerationDefaults(
        temperature=stated.temperature,
        top_k=stated.top_k if stated.top_k and stated.top_k > 0 else None,
        top_p=stated.top_p,
        min_p=stated.min_p,
        repetition_penalty=stated.repetition_penalty,
        eos_token_ids=_as_tuple(stated.eos_token_id) or model_eos,
    )


def _as_tuple(eos: int | list[int] | None) -> tuple[int, ...]:
    if eos is None:
        return ()
    return tuple(eos) if isinstance(eos, list) else (eos,)
