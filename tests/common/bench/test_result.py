"""Results: written and read back, and refused where they are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from forge_common.bench.load import AllAtOnce, Poisson
from forge_common.bench.result import LoadGenerator, read_result, remarks, write_result
from forge_common.bench.service_level import ServiceLevel
from forge_common.bench.word_scale import WordScale
from forge_common.errors import ConfigError
from tests.common.bench.builders import failed, observation, result

SOME = (observation(1, 2, 3, is_counted_by_usage=True), failed("timeout"))


@pytest.mark.parametrize("load", [AllAtOnce(), Poisson(2.5, ramp_s=1.0)])
def test_result_is_the_same_when_read_back(tmp_path: Path, load: AllAtOnce | Poisson) -> None:
    written = result(*SOME, slo=ServiceLevel(ttft=0.5), load=load, extra_body={"a": [1]})
    write_result(written, tmp_path / "a.json")
    assert read_result(tmp_path / "a.json") == written


def test_file_says_its_version_first(tmp_path: Path) -> None:
    write_result(result(*SOME), tmp_path / "a.json")
    assert next(iter(json.loads((tmp_path / "a.json").read_text()))) == "schema_version"


@pytest.mark.parametrize("text", ["", "[]", '{"schema_version": 1}', "\udcff"])
def test_what_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match="no result of forge-bench"):
        read_result(tmp_path / "x")


def test_another_version_is_refused_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "x").write_text('{"schema_version": 99, "new": true}')
    with pytest.raises(ConfigError, match="schema version 99"):
        read_result(tmp_path / "x")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_result(tmp_path / "x")


def test_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        write_result(result(*SOME), tmp_path / "none" / "a.json")


def test_nothing_remarkable_is_not_remarked() -> None:
    assert remarks(result(SOME[0])) == []


def test_generator_that_was_the_bottleneck_says_so() -> None:
    late = result(observation(2, due=0, sent=1, is_counted_by_usage=True))
    busy = replace(late, generator=LoadGenerator(0.97, WordScale(is_measured=True)))
    said = " ".join(remarks(busy))
    assert "97% of a core" in said
    assert "1.00 s late" in said
