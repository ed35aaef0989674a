"""What the bounds of the messages add up to."""

from __future__ import annotations

import msgspec

from forge_common.client.unfinished import MAX_TOKENS_SO_FAR
from forge_common.protocol.api_scheduler import MAX_CLIENT_MESSAGE_BYTES, ClientMessage, Submit
from forge_common.protocol.message import MAX_TOKENS_PER_MESSAGE
from forge_common.sampling import MAX_GRAMMAR_BYTES, SamplingParams

LAST_ID = 2**31 - 1


def largest_submit() -> Submit:
    ids = (LAST_ID,) * 1024
    sampling = SamplingParams(
        max_tokens=LAST_ID,
        seed=2**63 - 1,
        logit_bias={LAST_ID - number: 0.1 for number in range(1024)},
        stop_token_ids=ids,
        eos_token_ids=ids,
        bad_words=((LAST_ID,) * 64,) * 128,
        allowed_token_ids=(LAST_ID,) * 2**18,
        grammar=bytes(MAX_GRAMMAR_BYTES),
    )
    prompt, so_far = [LAST_ID] * MAX_TOKENS_PER_MESSAGE, [[LAST_ID] * MAX_TOKENS_SO_FAR]
    return Submit("r" * 128, prompt, sampling, -(2**31), so_far=so_far)


def test_the_largest_submit_fits_the_largest_message_and_hardly_more_would() -> None:
    frame = msgspec.msgpack.encode(largest_submit())
    assert isinstance(msgspec.msgpack.decode(frame, type=ClientMessage), Submit)
    assert 0.9 * MAX_CLIENT_MESSAGE_BYTES < len(frame) <= MAX_CLIENT_MESSAGE_BYTES
