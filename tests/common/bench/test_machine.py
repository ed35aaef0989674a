"""Machine: the name of its processor."""

from __future__ import annotations

from forge_common.bench.machine import processor_name, this_machine


def test_processor_is_named_as_linux_names_it() -> None:
    assert processor_name("processor\t: 0\nmodel name\t: A Fast One\n") == "A Fast One"


def test_machine_without_cpuinfo_is_still_named() -> None:
    assert processor_name("")
    assert this_machine().num_cores >= 1
