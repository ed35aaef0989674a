"""Workbench: what every way of reading a schema works with, and puts its rules on.

Knows no way of reading.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from forge_common.grammar.program import RuleIndex
from forge_common.grammar.rule_table import RuleTable
from forge_common.grammar.schema.documents import Document
from forge_common.grammar.schema.facts import Conjunction
from forge_common.grammar.schema.references import References


class Workbench(NamedTuple):
    document: Document
    references: References
    rules: RuleTable
    rule_of: Callable[[Conjunction], RuleIndex]  # of what stands inside
    is_ordered: bool  # properties come as they are listed
    unfinished: list[RuleIndex]  # unique arrays whose items are not written in one way yet
