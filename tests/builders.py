"""Small things to test with, built from plain integers."""

from __future__ import annotations

from typing import Any

from forge_common.protocol.api_scheduler import Submit
from forge_common.sampling import SamplingParams
from forge_scheduler.policy import Policy
from forge_scheduler.scheduler import Limits, Scheduler
from forge_scheduler.sequence import Rank, Request, RequestKey, Sequence


def make_submit(
    request_id: str = "r",
    prompt: list[int] | int = 4,
    *,
    priority: int = 0,
    tenant: str = "",
    **sampling: Any,
) -> Submit:
    """`prompt` is the token ids, or how many of them."""
    token_ids = list(range(prompt)) if isinstance(prompt, int) else prompt
    return Submit(
        request_id=request_id,
        prompt_token_ids=token_ids,
        sampling=SamplingParams(**{"max_tokens": 8, "seed": 1, **sampling}),
        priority=priority,
        tenant=tenant,
    )


def make_sequence(
    prompt: list[int] | int = 4,
    *,
    sequence_id: int = 0,
    max_num_tokens: int = 1000,
    priority: int = 0,
    **sampling: Any,
) -> Sequence:
    submit = make_submit("r", prompt, priority=priority, **sampling)
    request = Request(
        key=RequestKey(b"client", "r"),
        sampling=submit.sampling,
        num_prompt_tokens=len(submit.prompt_token_ids),
        max_num_tokens=max_num_tokens,
        arrived_at_s=0.0,
    )
    return Sequence(
        sequence_id, request, Rank(priority, 0.0, sequence_id, 0), list(submit.prompt_token_ids)
    )


def make_scheduler(
    num_blocks: int = 64,
    block_size: int = 4,
    *,
    policy: Policy | None = None,
    clock: Any = None,
    **limits: Any,
) -> Scheduler:
    defaults = {
        "max_batch_size": 8,
        "max_prefill_tokens": 64,
        "max_model_len": 128,
        "vocab_size": 100,
    }
    return Scheduler(
        Limits(**{**defaults, **limits}),
        num_blocks,
        block_size,
        policy,
        **({"clock": clock} if clock else {}),
    )
