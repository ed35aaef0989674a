"""The jinja2 dialect of chat templates, rendered here in the test's own process."""

from __future__ import annotations

import re

import pytest
from jinja2 import TemplateError
from jinja2.exceptions import SecurityError

from forge_api.templating import environment
from forge_api.templating.environment import (
    RaisedByTemplate,
    make_environment,
    render,
    undeclared_variables,
)


def rendered(source: str, **variables: object) -> str:
    return render(make_environment().from_string(source), variables)


def test_blocks_leave_no_blank_lines() -> None:
    assert rendered("{% if true %}\n  {% set x = 1 %}\nx\n{% endif %}\n") == "x\n"


def test_json_keeps_characters_as_they_are() -> None:
    assert rendered("{{ x | tojson }}", x={"a": "<é'>"}) == '{"a": "<é\'>"}'
    assert rendered("{{ x | tojson(indent=1) }}", x=[1]) == "[\n 1\n]"


def test_loops_can_be_left() -> None:
    assert (
        rendered("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}")
        == "01"
    )


def test_the_generation_tag_renders_what_is_between() -> None:
    assert rendered("a{% generation %}{{ x }}{% endgeneration %}c", x="b") == "abc"


def test_a_namespace_carries_values_out_of_a_loop() -> None:
    source = "{% set n = namespace(x=1) %}{% for i in [2, 3] %}{% set n.x = n.x + i %}{% endfor %}"
    assert rendered(source + "{{ n.x }}") == "6"


def test_what_the_generation_tag_sets_stays_inside() -> None:
    source = "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}"
    assert rendered(source) == "21"


def test_a_template_may_refuse() -> None:
    with pytest.raises(RaisedByTemplate, match="no system role"):
        rendered("{{ raise_exception('no system role') }}")


def test_a_template_may_know_the_date() -> None:
    assert re.fullmatch(r"\d{4}-\d\d", rendered("{{ strftime_now('%Y-%m') }}"))


def test_values_are_not_escaped_as_html() -> None:
    assert rendered("{{ x }}", x="<b>&") == "<b>&"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ [].append(1) }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ ('{0.__class__.__init__.__globals__}').format(x) }}",
        "{% set n = namespace() %}{% set n.__class__ = 1 %}",
        "{{ namespace(__class__=1) }}",
        "{% set f = cycler.__init__ %}{{ f.__globals__ }}",
    ],
)
def test_the_sandbox_holds(source: str) -> None:
    with pytest.raises(SecurityError):
        rendered(source, messages=[], x=1)


@pytest.mark.parametrize("tag", ["include 'x'", "import 'x' as y", "extends 'x'"])
def test_no_other_file_is_read(tag: str) -> None:
    with pytest.raises(TypeError, match="no loader"):
        rendered("{% " + tag + " %}")


def test_long_output_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "MAX_OUTPUT_CHARACTERS", 10)
    with pytest.raises(TemplateError, match="longer than 10"):
        rendered("{% for i in range(9) %}{{ 'abc' }}{% endfor %}")


def test_the_variables_of_a_template_are_known() -> None:
    source = "{% set y = 1 %}{{ tools }}{{ y }}{{ thinking }}{{ range(3) }}"
    assert undeclared_variables(make_environment(), source) == ["thinking", "tools"]
