from __future__ import annotations

import pytest

from forge_common.restart_count import RESTARTS_VARIABLE, num_restarts
from forge_common.settings import unknown_variables


@pytest.mark.parametrize(
    ("text", "number"), [("3", 3), ("0", 0), ("", 0), ("x", 0), ("-1", 0), ("²", 0)]
)
def test_a_launcher_tells_how_often(text: str, number: int) -> None:
    assert num_restarts({RESTARTS_VARIABLE: text}) == number


def test_without_a_launcher_it_is_the_first_start() -> None:
    assert num_restarts({}) == 0


def test_its_variable_is_known() -> None:
    assert unknown_variables({RESTARTS_VARIABLE: "1"}) == []
