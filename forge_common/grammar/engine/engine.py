"""Engine: the states of all grammars over one vocabulary, and what follows from each.

One engine serves every request of a process, from one thread. A question that would take too long
raises GrammarTooLarge; what was worked out up to there stays good. Knows no requests.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b

from forge_common.grammar.engine.compiler import Compiler
from forge_common.grammar.engine.memory import Memory, Table
from forge_common.grammar.engine.node_sets import NodeSet, NodeSets
from forge_common.grammar.engine.places import Place
from forge_common.grammar.engine.stacks import Reading, Stack, Stacks, Thread
from forge_common.grammar.engine.state import Forced, State
from forge_common.grammar.engine.token_sets import TokenUnion
from forge_common.grammar.engine.walk import Walk
from forge_common.grammar.engine.walks import Walks
from forge_common.grammar.errors import GrammarTooLarge
from forge_common.grammar.program import AnyValue, Program
from forge_common.grammar.vocabulary import Vocabulary, Words

DEFAULT_BYTES = 256 * 2**20
STATE_BYTES = 200
THREAD_BYTES = 150
DIGEST_BYTES = 16
ANY_VALUE = Program((AnyValue(),))
WARM_TEXTS = (
    *(b"", b"[", b"{", b"t", b"-", b"1", b"1.", b"1.5", b"1e", b"1e5", b'{"', b'{"a"', b'{"a":'),
    *(b'["', b'["\\', b'["\\u', b'["\xc3', b'["\xe2', b'["\xe2\x82', b'["\xf0', b'["\xf0\x9f'),
    *(b'["\xf0\x9f\x98', b'["a"', b"[1,", b'[{"a":1', b'[{"a":1}'),
)


class Engine:
    def __init__(self, vocabulary: Vocabulary, max_bytes: int = DEFAULT_BYTES) -> None:
        self.vocabulary = vocabulary
        self._memory = memory = Memory(max_bytes)
        self._steps = memory.steps
        self._compiler = Compiler(memory)
        self._node_sets = NodeSets(vocabulary.trie, memory)
        self._walks = Walks(vocabulary, self._node_sets, memory, self._steps)
        self._stacks = Stacks(memory, self._steps)
        self._states: Table[frozenset[Thread], State] = memory.table(_size_of_state)
        self._by_byte: Table[tuple[State, int], State] = memory.table(lambda _: 0)
        self._by_token: Table[tuple[State, int], State] = memory.table(lambda _: 0)
        self._masks: Table[bytes, Words] = memory.table(lambda words: words.nbytes)
        self._digests: Table[tuple[frozenset[Walk], bool], bytes] = memory.table(
            lambda _: DIGEST_BYTES
        )

    @property
    def num_cached_bytes(self) -> int:
        return self._memory.num_bytes

    def look_by(self, look: Callable[[], None]) -> None:
        """Called every few steps of whatever is asked, which it may interrupt: see Steps."""
        self._steps.look = look

    def start(self, program: Program) -> State:
        """Raises GrammarError for a program that matches nothing, or calls itself without end."""
        return self._state({self._compiler.compile(program): self._stacks.bottom})

    def warm(self) -> None:
        """Walk what nearly every grammar has, so that no request waits for it: JSON's own parts."""
        for text in WARM_TEXTS:
            state = self.start(ANY_VALUE).advance_bytes(text)
            if state is not None:
                state.mask()

    def is_accepting(self, state: State) -> bool:
        self._steps.begin()
        return self._reading(state).is_accepting

    def mask(self, state: State) -> Words:
        digest = state.mask_digest
        found = None if digest is None else self._masks.find(digest)
        return self._work_out_mask(state) if found is None else found

    def advance(self, state: State, token_id: int) -> State | None:
        key = (state, token_id)
        found = self._by_token.find(key)
        if found is not None:
            return found
        if token_id in self.vocabulary.end_ids:
            return state if self.is_accepting(state) else None
        token = self.vocabulary.token_bytes(token_id)
        following = self.advance_bytes(state, token) if token else None
        return following and self._by_token.keep(key, following)

    def advance_bytes(self, state: State, text: bytes) -> State | None:
        here: State | None = state
        for byte in text:
            if here is None:
                return None
            here = self._by_byte.find((here, byte)) or self._step(here, byte)
        return here

    def forced(self, state: State, limit: int) -> Forced:
        text, is_end = bytearray(), False
        self._steps.begin_few()
        with suppress(GrammarTooLarge):  # nothing depends on it: what was found so far is given
            reading = self._reading(self._follow_forced(state, text, limit))
            is_end = reading.is_accepting and not reading.threads
        return Forced(bytes(text), is_end)

    def _follow_forced(self, state: State, text: bytearray, limit: int) -> State:
        """Adds to `text`; returns where it leads."""
        here = state
        while len(text) < limit and not self._reading(here).is_accepting:
            byte = self._only_byte(here)
            if byte is None:
                break
            following = self._by_byte.find((here, byte)) or self._go_on(here, byte)
            if following is None:
                break
            text.append(byte)
            here = following
        return here

    def _reading(self, state: State) -> Reading:
        if state.reading_here is None:
            state.reading_here = self._stacks.reading(state.threads)
            self._memory.charge(len(state.reading_here.threads) * THREAD_BYTES)
        return state.reading_here

    def _state(self, stacks: dict[Place, Stack]) -> State:
        threads = tuple(Thread(place, stack) for place, stack in stacks.items())
        key = frozenset(threads)
        found = self._states.find(key)
        return self._states.keep(key, State(self, threads)) if found is None else found

    def _step(self, state: State, byte: int) -> State | None:
        self._steps.begin()
        return self._go_on(state, byte)

    def _go_on(self, state: State, byte: int) -> State | None:
        stacks: dict[Place, Stack] = {}
        for place, stack in self._reading(state).threads:
            self._steps.spend()
            to = place.step(byte)
            if to is not None:
                other = stacks.get(to)
                stacks[to] = stack if other is None else self._stacks.union(other, stack)
        if not stacks:
            return None
        return self._by_byte.keep((state, byte), self._state(stacks))

    def _only_byte(self, state: State) -> int | None:
        """None where several may come."""
        only: int | None = None
        for place, _ in self._reading(state).threads:
            for byte in place.next_bytes():
                if only is not None and byte != only:
                    return None
                only = byte
        return only

    def _work_out_mask(self, state: State) -> Words:
        self._steps.begin()
        used = frozenset(self._walk_down(state))
        is_accepting = self._reading(state).is_accepting
        key = (used, is_accepting)
        digest = self._digests.find(key)
        words = None if digest is None else self._masks.find(digest)
        if words is None:
            words = self._join(used, is_accepting)
            digest = blake2b(words.tobytes(), digest_size=DIGEST_BYTES).digest()
            self._digests.keep(key, digest)
            equal = self._masks.find(digest)
            words = self._masks.keep(digest, words) if equal is None else equal
        state.mask_digest = digest
        return words

    def _walk_down(self, state: State) -> set[Walk]:
        """From the machine that runs to its callers, as far as tokens reach."""
        used: set[Walk] = set()
        seen: set[tuple[Place, NodeSet, Stack]] = set()
        waiting = [(place, self._node_sets.root, stack) for place, stack in state.threads]
        while waiting:
            here = waiting.pop()
            if here in seen:
                continue
            seen.add(here)
            place, nodes, stack = here
            walk = self._walks.find(place, nodes)
            used.add(walk)
            self._steps.spend(len(stack.frames) + 1)
            if walk.leftover is not None:
                waiting += [(back, walk.leftover, below) for back, below in stack.frames]
        return used

    def _join(self, walks: frozenset[Walk], is_accepting: bool) -> Words:
        tokens = TokenUnion()
        for walk in walks:
            tokens.add(walk.tokens)
        words = tokens.words(self.vocabulary)
        if is_accepting:
            words = self.vocabulary.with_ends(words)
        words.flags.writeable = False
        return words


def _size_of_state(state: State) -> int:
    reading = state.reading_here
    num_threads = len(state.threads) + (len(reading.threads) if reading else 0)
    return STATE_BYTES + num_threads * THREAD_BYTES
