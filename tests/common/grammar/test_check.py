"""`python -m forge_common.grammar check`: verdicts line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from forge_common.grammar.__main__ import main
from forge_common.grammar.check import Checker, Verdict

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}


def verdict(schema: Any, instance: Any) -> Verdict:
    line = json.dumps({"id": 1, "schema": schema, "instance": instance})
    return Checker().check_line(line)


def test_keys_may_come_in_any_order_in_an_instance() -> None:
    assert verdict(PERSON, {"age": 3, "name": "x"}).accepts
    assert verdict(PERSON, {"name": "x", "age": 3}).accepts


def test_numbers_are_numbers_however_they_are_written() -> None:
    assert verdict(PERSON, {"name": "x", "age": 3.0}).accepts
    assert not verdict(PERSON, {"name": "x", "age": 3.5}).accepts
    line = '{"id": 1, "schema": {"multipleOf": 0.1}, "instance": 1e-1}'
    assert Checker().check_line(line).accepts


def test_a_schema_that_nothing_fulfils_is_compiled_and_accepts_nothing() -> None:
    assert verdict(False, 1) == Verdict(1, compiled=True, accepts=False)


def test_half_a_surrogate_pair_is_no_text() -> None:
    assert verdict({"type": "string"}, "\ud800").accepts is False
    assert verdict({"enum": ["\ud800", "a"]}, "\ud800").accepts is False


def test_a_refused_schema_says_why() -> None:
    found = verdict({"properties": {"a": {"format": "regex"}}}, {})
    assert found == Verdict(
        1,
        compiled=False,
        error="format: 'regex' is not supported (at /properties/a/format)",
        accepts=None,
    )


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("{", "not a case: Expecting property name enclosed in double quotes"),
        ("5", "not a case: no JSON object"),
        ('{"id": 1}', "not a case: no `schema`"),
        ('{"schema": {}, "instance": 1}', "not a case: no `id`"),
        ('{"id": "\udcff", "schema": 1}', "not UTF-8, at character 8"),
    ],
)
def test_a_line_that_is_no_case_is_told(line: str, error: str) -> None:
    found = Checker().check_line(line)
    assert not found.compiled
    assert found.error is not None
    assert found.error.startswith(error)


def test_without_an_instance_only_the_schema_is_tried() -> None:
    checker = Checker()
    assert checker.check_line('{"id": 1, "schema": {}}') == Verdict(1, compiled=True)
    assert checker.check_line('{"id": 1, "schema": {}, "instance": null}').accepts
    assert not checker.check_line('{"id": 1, "schema": {"type": "text"}}').compiled


def test_the_exit_code_says_whether_every_line_was_a_case(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_bytes(b'{\n\n{"id": 1, "schema": "\xff"}\n{"id": 2, "schema": true}\n[]\n')
    checked = CliRunner().invoke(main, ["check", str(path)])
    assert checked.exit_code == 2
    assert [json.loads(line)["id"] for line in checked.stdout.splitlines()] == [None, 1, 2, None]
    told = checked.stderr.splitlines()
    assert [line.split(": ")[0] for line in told] == [f"{path}:{number}" for number in (1, 3, 5)]


def test_refused_schemas_and_wrong_instances_are_answers(tmp_path: Path) -> None:
    deep = '{"items":' * 50_000 + "{}" + "}" * 50_000
    path = tmp_path / "cases.jsonl"
    path.write_text(
        '{"id": 1, "schema": {"type": "text"}}\n{"id": 2, "schema": false, "instance": 1}\n'
        f'{{"id": 3, "schema": {deep}}}\n{{"id": 4, "schema": {{}}, "instance": 1e99999}}\n'
    )
    checked = CliRunner().invoke(main, ["check", str(path)])
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert len(checked.stdout.splitlines()) == 4


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.jsonl", tmp_path):
        result = CliRunner().invoke(main, ["check", str(path)])
        assert (result.exit_code, result.stdout) == (2, "")
        assert str(path) in result.stderr


def test_a_line_nested_too_deep_keeps_its_id() -> None:
    deep = '{"items":' * 50_000 + "{}" + "}" * 50_000
    found = Checker().check_line(f'{{"id": "x7", "schema": {deep}, "instance": 1}}')
    assert (found.id, found.compiled, found.error) == ("x7", False, "nested too deep")


def test_an_instance_that_is_too_large_leaves_the_schema_compiled() -> None:
    found = Checker().check_line('{"id": 1, "schema": {}, "instance": 1e99999}')
    assert found.compiled
    assert found.accepts is None
    assert found.error


def test_the_command_prints_a_line_for_each(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    cases = [
        {"id": "a", "schema": PERSON, "instance": {"name": "é"}},
        {"id": 2, "schema": {"uniqueItems": True}, "instance": []},
    ]
    path.write_text("\n".join(map(json.dumps, cases)) + "\n\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert lines[0] == {"id": "a", "compiled": True, "error": None, "accepts": True}
    assert lines[1]["id"] == 2
    assert lines[1]["compiled"] is False
    assert lines[1]["error"].startswith("uniqueItems: ")
    assert lines[1]["accepts"] is None
