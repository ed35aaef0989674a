"""Intake: checks what a client submits against this model and this cache, then makes a Request.

The decoder has checked every bound that is the same everywhere; here stand those that depend on the
vocabulary and the context. ZMQ clients skip the API, so nothing is taken on trust; of grammars only
the shape is looked at, since what they mean is the worker's business. Knows nothing of queues,
blocks or whether there is room.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from forge_common.errors import RequestError
from forge_common.grammar.program import Program
from forge_common.protocol.api_scheduler import Submit
from forge_common.sampling import SamplingParams
from forge_scheduler.resumption import check_so_far, output_token_ids
from forge_scheduler.sequence import Request, RequestKey


class Intake:
    """The border: past it, a request is known to fit the model and the cache."""

    def __init__(self, max_model_len: int, vocab_size: int) -> None:
        self.max_model_len = max_model_len
        self._vocab_size = vocab_size

    def make_request(self, client: bytes, submit: Submit, arrived_at_s: float) -> Request:
        """Raises RequestError naming what is wrong; every choice ends within the context."""
        num_prompt_tokens = len(submit.prompt_token_ids)
        self._check_length(num_prompt_tokens)
        self._check_token_ids("prompt", submit.prompt_token_ids)
        self._check_token_ids("so_far", output_token_ids(submit))
        self._check_sampling(submit.sampling)
        request = Request(
            key=RequestKey(client, submit.request_id),
            sampling=submit.sampling,
            num_prompt_tokens=num_prompt_tokens,
            max_num_tokens=min(num_prompt_tokens + submit.sampling.max_tokens, self.max_model_len),
            arrived_at_s=arrived_at_s,
            is_speculative=submit.is_speculative,
            tenant=submit.tenant,
        )
        check_so_far(request, submit.so_far)
        return request

    def _check_length(self, num_prompt_tokens: int) -> None:
        if num_prompt_tokens >= self.max_model_len:
            raise RequestError(
                f"the prompt has {num_prompt_tokens} tokens; with one token of output the context "
                f"holds {self.max_model_len - 1}",
                code="context_length_exceeded",
            )

    def _check_sampling(self, sampling: SamplingParams) -> None:
        if sampling.min_tokens > sampling.max_tokens:
            raise RequestError("min_tokens is greater than max_tokens", param="min_tokens")
        for param in ("num_logprobs", "num_prompt_logprobs"):
            if (getattr(sampling, param) or 0) > self._vocab_size:
                raise RequestError(f"{param} is greater than the vocabulary", param=param)
        self._check_token_ids("stop_token_ids", sampling.stop_token_ids)
        self._check_token_ids("eos_token_ids", sampling.eos_token_ids)
        self._check_token_ids("logit_bias", sampling.logit_bias)
        self._check_token_ids("allowed_token_ids", sampling.allowed_token_ids or ())
        for bad_word in sampling.bad_words:
            self._check_token_ids("bad_words", bad_word)
        if sampling.grammar is not None:
            check_grammar(sampling.grammar)

    def _check_token_ids(self, param: str, token_ids: Iterable[int]) -> None:
        greatest = max(token_ids, default=0)
        if greatest >= self._vocab_size:
            raise RequestError(
                f"{param}: token {greatest} is not in a vocabulary of {self._vocab_size}",
                param=param,
                code="invalid_token_id",
            )


def check_grammar(grammar: bytes) -> None:
    try:
        msgspec.msgpack.decode(grammar, type=Program)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(
            f"grammar is no Program: {error}", param="grammar", code="malformed_grammar"
        ) from error
