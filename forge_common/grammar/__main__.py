"""`python -m forge_common.grammar check FILE.jsonl`: which schemas compile, what they accept."""

from __future__ import annotations

import sys
from typing import Final, TextIO

import click
import msgspec

from forge_common.grammar.check import Checker, NoCase

NOT_ALL_READ: Final = 2


@click.group()
def main() -> None:
    """Grammars of structured output."""


@main.command()
@click.argument("file", type=click.File(encoding="utf-8", errors="surrogateescape"))
def check(file: TextIO) -> None:
    """Read lines {"id", "schema", "instance"}, print {"id", "compiled", "error", "accepts"}.

    Without an instance only the schema is tried. The exit code is 0 where every line was a case,
    whatever came of it: a schema that is refused is an answer. It is 2 where the file cannot be
    read or lines are no cases, which are told on stderr too.
    """
    has_other_lines = False
    for number, verdict in Checker().check_lines(file):
        click.echo(msgspec.json.encode(verdict).decode())
        if isinstance(verdict, NoCase):
            has_other_lines = True
            click.echo(f"{file.name}:{number}: {verdict.error}", err=True)
    if has_other_lines:
        sys.exit(NOT_ALL_READ)


if __name__ == "__main__":
    main()
