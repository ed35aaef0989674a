"""Which parameters left no token to choose. That is the request's fault, whatever the model thinks.

Knows no logits.
"""

from __future__ import annotations

from msgspec.structs import replace

from forge_common.protocol.message import Failure
from forge_common.sampling import SamplingParams
from forge_worker.sampler.sampler import ALL_RULED_OUT


def blamed(failure: Failure, params: SamplingParams, num_output_tokens: int) -> Failure:
    """With the fields of `params` that take tokens away, where they took all of them."""
    if failure != ALL_RULED_OUT:
        return failure
    takes_away = {
        "allowed_token_ids": params.allowed_token_ids is not None,
        "bad_words": bool(params.bad_words),
        "min_tokens": num_output_tokens < params.min_tokens,
        "grammar": params.grammar is not None,
    }
    names = [name for name, does in takes_away.items() if does]
    if not names:
        return failure
    listed = " and ".join(map(_shown, names))
    verb = "rule" if len(names) > 1 else "rules"
    return replace(
        failure, message=f"no token may be chosen: {listed} {verb} out every one", param=names[0]
    )


def _shown(name: str) -> str:
    """A client may have asked for its grammar by another field."""
    return "the grammar" if name == "grammar" else f"`{name}`"
