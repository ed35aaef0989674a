"""Guesser: drafts for anybody, of which some, all or none are what will be sampled."""

from __future__ import annotations

import random
from functools import reduce

from forge_scheduler.sequence import Sequence
from forge_scheduler.speculation import Speculation, StepLoad
from tests.scheduler.fakes import mix, next_token


class Guesser(Speculation):
    def __init__(self, max_draft_tokens: int, vocab_size: int) -> None:
        super().__init__(max_draft_tokens)
        self._chance = random.Random(3)
        self._vocab_size = vocab_size

    def draft(self, sequence: Sequence, load: StepLoad, max_tokens: int) -> list[int]:
        limit = min(max_tokens, self.max_draft_tokens, sequence.max_draft_tokens)
        if limit <= 0:
            return []
        drafts = self._truth(sequence, self._chance.randint(0, limit))
        if drafts and self._chance.random() < 0.6:
            wrong = self._chance.randrange(len(drafts))
            drafts[wrong] = (drafts[wrong] + 1) % self._vocab_size
        return drafts

    def _truth(self, sequence: Sequence, num_tokens: int) -> list[int]:
        seed, token_ids = sequence.request.sampling.seed, []
        digest = reduce(mix, sequence.token_ids, 1)
        for _ in range(sequence.num_pending_tokens + num_tokens):
            token_ids.append(next_token(digest, seed, sequence.choice_index) % self._vocab_size)
            digest = mix(digest, token_ids[-1])
        return token_ids[sequence.num_pending_tokens :]
