"""The cache keeps what was used of late, and never more than its budget."""

from __future__ import annotations

from forge_api.grammars.cache import ENTRY_BYTES, OutcomeCache
from forge_api.grammars.messages import Compiled, Refused


def compiled(number: int, num_bytes: int = 100) -> Compiled:
    return Compiled(bytes([number]) * num_bytes)


def test_the_least_recently_used_goes_first() -> None:
    cache = OutcomeCache(3 * (ENTRY_BYTES + 100))
    for number in range(3):
        cache.put(bytes([number]), compiled(number))
    assert cache.get(b"\0") == compiled(0)
    cache.put(b"new", compiled(3))
    assert cache.get(b"\1") is None
    assert [cache.get(key) is not None for key in (b"\0", b"\2", b"new")] == [True] * 3


def test_its_size_is_that_of_what_it_holds() -> None:
    cache = OutcomeCache(10_000)
    cache.put(b"a", compiled(1))
    cache.put(b"a", compiled(1, 200))
    cache.put(b"b", Refused("no"))
    assert cache.num_bytes == 2 * ENTRY_BYTES + 200 + 8


def test_what_is_larger_than_the_budget_is_not_kept() -> None:
    cache = OutcomeCache(1000)
    cache.put(b"a", compiled(1))
    cache.put(b"b", compiled(2, 2000))
    assert (cache.get(b"a"), cache.get(b"b"), cache.num_bytes) == (None, None, 0)
