"""Shares: how much of a queue each tenant holds, and whether that is less than an equal share.

Knows no order, and nothing of how much a queue takes.
"""

from __future__ import annotations

from typing import NamedTuple


class Room(NamedTuple):
    num_sequences: int
    num_tokens: int  # of their prompts

    def holds(self, wanted: Room) -> bool:
        return wanted.num_sequences <= self.num_sequences and wanted.num_tokens <= self.num_tokens

    def plus(self, other: Room) -> Room:
        return Room(self.num_sequences + other.num_sequences, self.num_tokens + other.num_tokens)

    def divided(self, number: int) -> Room:
        return Room(self.num_sequences // number, self.num_tokens // number)


NONE = Room(0, 0)


class Shares:
    def __init__(self) -> None:
        self._held: dict[str, Room] = {}

    def add(self, tenant: str, num_tokens: int) -> None:
        self._held[tenant] = self._held.get(tenant, NONE).plus(Room(1, num_tokens))

    def remove(self, tenant: str, num_tokens: int) -> None:
        left = self._held[tenant].plus(Room(-1, -num_tokens))
        if left.num_sequences:
            self._held[tenant] = left
        else:
            del self._held[tenant]

    def leaves_room(self, room: Room, tenant: str, num_tokens: int) -> bool:
        """Whether another sequence of the tenant is within its equal share of `room`."""
        num_tenants = len(self._held.keys() | {tenant})
        wanted = self._held.get(tenant, NONE).plus(Room(1, num_tokens))
        return room.divided(num_tenants).holds(wanted)
