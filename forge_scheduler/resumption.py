"""What a client says that a request has put out already, under a scheduler that is gone.

It is taken at its word only where its word is possible: each choice as it could stand in the midst
of its work here. Whether its grammar allows that, the worker will find. Knows no queue, no block
and no socket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from forge_common.errors import RequestError
from forge_common.protocol.api_scheduler import Submit
from forge_scheduler.sequence import Request

SoFar = Sequence[list[int] | None]


def known_outputs(submit: Submit) -> SoFar:
    """By choice: its output tokens so far, or None where it has ended."""
    return submit.so_far or [[]] * submit.sampling.num_choices


def num_resumed(submit: Submit) -> int:
    """Choices that go on."""
    return sum(token_ids is not None for token_ids in submit.so_far)


def output_token_ids(submit: Submit) -> Iterator[int]:
    return chain.from_iterable(token_ids or () for token_ids in submit.so_far)


def check_so_far(request: Request, so_far: SoFar) -> None:
    """Raises RequestError unless each choice could stand there, and one has something left to do.

    That the tokens are in the vocabulary is not looked at.
    """
    if not so_far:
        return
    if len(so_far) != request.sampling.num_choices:
        raise _impossible(f"{len(so_far)} choices, where {request.sampling.num_choices} were asked")
    unfinished = [token_ids for token_ids in so_far if token_ids is not None]
    if not unfinished:
        raise _impossible("every choice has ended")
    for token_ids in unfinished:
        _check_choice(request, token_ids)


def _check_choice(request: Request, token_ids: list[int]) -> None:
    num_tokens, sampling = len(token_ids), request.sampling
    if num_tokens >= sampling.max_tokens:
        raise _impossible(f"{num_tokens} tokens put out, where max_tokens is {sampling.max_tokens}")
    if request.num_prompt_tokens + num_tokens >= request.max_num_tokens:
        raise RequestError(
            f"prompt and output so far leave no room for a token in {request.max_num_tokens}",
            param="so_far",
            code="context_length_exceeded",
        )
    if not request.stop_token_ids.isdisjoint(token_ids[sampling.min_tokens :]):
        raise _impossible("a stop token would have ended it before")


def _impossible(reason: str) -> RequestError:
    return RequestError(f"so_far: {reason}", param="so_far", code="impossible_so_far")
