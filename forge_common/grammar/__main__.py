"""`python -m forge_common.grammar check FILE.jsonl`: which schemas compile, what they accept."""

from __future__ import annotations

from typing import TextIO

import click
import msgspec

from forge_common.grammar.check import Checker


@click.group()
def main() -> None:
    """Grammars of structured output."""


@main.command()
@click.argument("file", type=click.File(encoding="utf-8", errors="surrogateescape"))
def check(file: TextIO) -> None:
    """Read lines {"id", "schema", "instance"}, print {"id", "compiled", "error", "accepts"}.

    Without an instance only the schema is tried. The exit code is 0 where every line was answered,
    be it by an error, and 2 where the file cannot be read.
    """
    for verdict in Checker().check_lines(file):
        click.echo(msgspec.json.encode(verdict).decode())


if __name__ == "__main__":
    main()
