"""Drafter: guesses how one sequence goes on from where its last tokens stood before.

Prompt lookup (Saxena 2023). It follows a *source*, an earlier place whose tokens came again so far:

    … "name": "Ann", "age": 31 …      "name": "Ann", "age": ?
                            ▲ source                        the next token is guessed to be 31

A source is kept for as long as it guesses right, whether drafts were made of it or not; so how
often it is right, by the length of the match, is measured at no cost. A lost source is looked for
just behind the place where it was lost, since an edit goes on with what follows; otherwise n-grams
are looked up, longest first, the latest place of each. A token costs a few dictionary accesses.
Knows nothing of steps, costs or other sequences.
"""

from __future__ import annotations

from typing import NamedTuple

NGRAM_SIZES = (6, 3)  # longest first
MAX_NGRAMS = 8192  # of one size, of the newer half that is remembered: some 3 MB a sequence
MAX_TOKENS_A_READING = 2048  # about a millisecond: a long prompt is read in several steps
EDIT_REACH = 8  # tokens behind a lost source, among which it may go on

# How often a match is right before anything was measured: of 3, 6, 12 and 24 tokens or more.
PRIOR_RATES = (0.4, 0.6, 0.85, 0.93)
RATE_WEIGHT = 1 / 16  # of the newest guess
MAX_RATE = 0.98


class NgramIndex:
    """Where each n-gram of one size came last. Two generations, so that the oldest is forgotten."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._newer: dict[int, int] = {}
        self._older: dict[int, int] = {}

    def add(self, token_ids: list[int], end: int) -> None:
        """The n-gram before `end` is followed by the token there."""
        if end < self.size:
            return
        self._newer[self._key(token_ids, end)] = end
        if len(self._newer) >= MAX_NGRAMS:
            self._older, self._newer = self._newer, {}

    def find(self, token_ids: list[int], end: int) -> int | None:
        """What follows the n-gram before `end`; a guess, since n-grams are known by hash alone."""
        if end < self.size:
            return None
        key = self._key(token_ids, end)
        return self._newer.get(key, self._older.get(key))

    def _key(self, token_ids: list[int], end: int) -> int:
        return hash(tuple(token_ids[end - self.size : end]))


class Source(NamedTuple):
    place: int  # of the token that is guessed to come next
    match_length: int  # how many tokens before it came again

    @property
    def level(self) -> int:
        """Its place in PRIOR_RATES."""
        doublings = (self.match_length // NGRAM_SIZES[-1]).bit_length() - 1
        return min(doublings, len(PRIOR_RATES) - 1)


class Draft(NamedTuple):
    token_ids: list[int]
    rate: float  # how likely each is right, if those before it are


class Drafter:
    """`read` the tokens as they become known, then ask `rate` and `draft`."""

    def __init__(self, num_prompt_tokens: int) -> None:
        self._num_prompt_tokens = num_prompt_tokens
        self._num_read = max(0, num_prompt_tokens - MAX_NGRAMS)
        self._long, self._short = (NgramIndex(size) for size in NGRAM_SIZES)
        self._source: Source | None = None
        self._lost_at: int | None = None
        self._rates = list(PRIOR_RATES)

    @property
    def rate(self) -> float:
        """How likely the next token is the guessed one; 0 where none is guessed."""
        return 0.0 if self._source is None else self._rate_of(self._source)

    def read(self, token_ids: list[int]) -> bool:
        """Take in what is new, some of it where that is much; True once nothing is left."""
        end = min(len(token_ids), self._num_read + MAX_TOKENS_A_READING)
        for place in range(self._num_read, end):
            self._long.add(token_ids, place)
            self._short.add(token_ids, place)
            if place >= self._num_prompt_tokens:
                self._follow(token_ids, place)
        if self._num_read < self._num_prompt_tokens <= end and self._source is None:
            self._source = self._find(token_ids, end)
        self._num_read = end
        return end == len(token_ids)

    def draft(self, token_ids: list[int], num_skipped: int, num_tokens: int) -> list[int]:
        """The guessed tokens after the first `num_skipped`; past the end, what was guessed so far
        is guessed again."""
        if self._source is None:
            return []
        start = self._source.place
        period = len(token_ids) - start
        guessed = range(num_skipped, num_skipped + num_tokens)
        return [token_ids[start + number % period] for number in guessed]

    def draft_behind(self, token_ids: list[int], guessed: list[int], num_tokens: int) -> Draft:
        """Were `guessed` to come next: what may follow that, as far as it was said before."""
        source = self._source_behind(token_ids, guessed)
        if source is None:
            return Draft([], 0.0)
        return Draft(token_ids[source.place : source.place + num_tokens], self._rate_of(source))

    def _rate_of(self, source: Source) -> float:
        return min(self._rates[source.level], MAX_RATE)

    def _source_behind(self, token_ids: list[int], guessed: list[int]) -> Source | None:
        source, num_guessed = self._source, len(guessed)
        if source and token_ids[source.place : source.place + num_guessed] == guessed:
            return Source(source.place + num_guessed, source.match_length + num_guessed)
        known = [*token_ids[-self._long.size :], *guessed]
        for index in (self._long, self._short):
            place = index.find(known, len(known))
            if place is not None:
                return Source(place, index.size)
        return None

    def _follow(self, token_ids: list[int], place: int) -> None:
        """Hold the source to the token that came."""
        source = self._source
        if source is None:
            self._source = self._find(token_ids, place + 1)
            return
        is_right = token_ids[source.place] == token_ids[place]
        self._rates[source.level] += (is_right - self._rates[source.level]) * RATE_WEIGHT
        if is_right:
            self._source = Source(source.place + 1, source.match_length + 1)
        else:
            self._lost_at = source.place
            self._source = self._find(token_ids, place + 1)

    def _find(self, token_ids: list[int], end: int) -> Source | None:
        if (place := self._long.find(token_ids, end)) is not None:
            return Source(place, self._long.size)
        place = self._find_after_edit(token_ids, end)
        if place is None:
            place = self._short.find(token_ids, end)
        return None if place is None else Source(place, self._short.size)

    def _find_after_edit(self, token_ids: list[int], end: int) -> int | None:
        size = self._short.size
        if self._lost_at is None or end < size:
            return None
        last = token_ids[end - size : end]
        first_place = max(self._lost_at, size)
        for place in range(first_place, min(self._lost_at + EDIT_REACH, end - 1) + 1):
            if token_ids[place - size : place] == last:
                return place
        return None
