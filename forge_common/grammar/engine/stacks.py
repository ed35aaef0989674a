"""Stacks: where texts go on once the machine that runs has ended.

    text so far  {"a":[1,[2        machine that runs: the number 2, under a stack of

        frame  behind item, inner array ──▶ frame  behind item, outer array ──▶ frame  behind value
                                                               of the object ──▶ end of the text

A stack is a set of frames, and what each frame goes back to is a stack again: where the text so far
can be read in several ways, their stacks share what they have in common (graph-structured stacks,
Tomita 1985). A state of the whole grammar is then a place for each machine that may be running,
with one stack under it. Knows no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from forge_common.grammar.engine.memory import Memory, Steps, Table
from forge_common.grammar.engine.places import Place

FRAME_BYTES = 150


class Frame(NamedTuple):
    place: Place
    below: Stack


class Stack:
    """`is_bottom`: where all of this has ended, the text may end."""

    __slots__ = ("frames", "is_bottom")

    def __init__(self, frames: frozenset[Frame], is_bottom: bool) -> None:
        self.frames = frames
        self.is_bottom = is_bottom


class Thread(NamedTuple):
    """A machine that may be running, and what goes on behind it."""

    place: Place
    stack: Stack


class Reading(NamedTuple):
    """What may read the next byte, and whether the text may end instead."""

    threads: tuple[Thread, ...]
    is_accepting: bool


class _Content(NamedTuple):
    frames: frozenset[Frame]
    is_bottom: bool


class Stacks:
    def __init__(self, memory: Memory, steps: Steps) -> None:
        self._steps = steps
        self._stacks: Table[_Content, Stack] = memory.table(
            lambda stack: len(stack.frames) * FRAME_BYTES
        )
        self.bottom = Stack(frozenset(), is_bottom=True)

    def of(self, content: _Content) -> Stack:
        found = self._stacks.find(content)
        return self._stacks.keep(content, Stack(*content)) if found is None else found

    def union(self, first: Stack, second: Stack) -> Stack:
        if first is second:
            return first
        frames = first.frames | second.frames
        self._steps.spend(len(frames))
        return self.of(_Content(frames, first.is_bottom or second.is_bottom))

    def reading(self, threads: Sequence[Thread]) -> Reading:
        """Machines that have ended give way to their callers, callers to those they call."""
        if not any(place.is_accepting or place.calls for place, _ in threads):
            return Reading(tuple([one for one in threads if one.place.can_read]), False)
        below = _Below(self._steps)
        is_accepting = self._return(threads, below)
        return Reading(tuple(self._call(below)), is_accepting)

    def _return(self, threads: Iterable[Thread], below: _Below) -> bool:
        is_accepting = False
        waiting = list(threads)
        while waiting:
            place, stack = waiting.pop()
            new_frames = below.add(place, stack)
            if place.is_accepting:
                is_accepting = is_accepting or stack.is_bottom
                waiting += [Thread(*frame) for frame in new_frames]
        return is_accepting

    def _call(self, below: _Below) -> Iterator[Thread]:
        for place in _callers_first(below.places, self._steps):
            stack = self.of(below.content(place))
            if place.can_read:
                yield Thread(place, stack)
            for callee, back, must_read in place.calls:
                if back.is_end:
                    below.add(callee, stack)
                else:
                    below.add_frame(callee, Frame(back, stack))
                if callee.is_accepting and not must_read:
                    below.add(back, stack)


class _Below:
    """What lies under each place, collected from all sides before it is a stack."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._frames: dict[Place, set[Frame]] = {}
        self._at_bottom: set[Place] = set()

    @property
    def places(self) -> list[Place]:
        return list(self._frames)

    def add(self, place: Place, stack: Stack) -> frozenset[Frame] | set[Frame]:
        """The frames that were not there yet."""
        frames = self._frames.setdefault(place, set())
        self._steps.spend(len(stack.frames) + 1)
        new_frames = stack.frames - frames if frames else stack.frames
        frames |= new_frames
        if stack.is_bottom:
            self._at_bottom.add(place)
        return new_frames

    def add_frame(self, place: Place, frame: Frame) -> None:
        self._steps.spend()
        self._frames.setdefault(place, set()).add(frame)

    def content(self, place: Place) -> _Content:
        return _Content(frozenset(self._frames[place]), place in self._at_bottom)


class _Step(NamedTuple):
    place: Place
    ahead: Iterator[Place]


def _callers_first(places: Iterable[Place], steps: Steps) -> Iterator[Place]:
    """With everything they call; no place calls itself, since left recursion is refused."""
    behind_called: list[Place] = []
    seen: set[Place] = set()
    for start in places:
        path = [] if start in seen else [_Step(start, _called_by(start))]
        seen.add(start)
        while path:
            called = next((one for one in path[-1].ahead if one not in seen), None)
            if called is None:
                behind_called.append(path.pop().place)
            else:
                steps.spend()
                seen.add(called)
                path.append(_Step(called, _called_by(called)))
    return reversed(behind_called)


def _called_by(place: Place) -> Iterator[Place]:
    for callee, back, must_read in place.calls:
        yield callee
        if callee.is_accepting and not must_read:
            yield back
