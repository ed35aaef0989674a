"""The matrix as `docs/faults.md` shows it: a row a cell, those that there are not included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.faults.cells import ABSENT, CELLS, ENDED, FAULTS, LEAVING, LOST_API, ROLES

CellKey = tuple[str, str]  # role, fault


def outcomes() -> Mapping[CellKey, str]:
    """Of each cell that is tested."""
    return {
        **{(cell.role, cell.fault): cell.outcome for cell in CELLS},
        **{("api", cell.fault): cell.outcome for cell in LOST_API},
        **{("supervisor", cell.fault): cell.outcome for cell in ENDED},
        **{(cell.role, cell.fault): "nobody else notices; its blocks are free" for cell in LEAVING},
    }


def table() -> str:
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    tested = outcomes()
    yield "| process | fault | what happens |"
    yield "|---|---|---|"
    for role in ROLES:
        for fault in FAULTS:
            text = tested.get((role, fault)) or f"*not tested: {ABSENT[role, fault]}*"
            yield f"| {role} | {fault} | {text} |"
