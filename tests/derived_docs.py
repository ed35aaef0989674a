"""Parts of the docs that follow from the code: `python -m tests.derived_docs` writes them.

Each part stands between `<!-- NAME -->` and `<!-- /NAME -->`; a test holds text and code together.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from forge_api.metrics import Metrics
from forge_api.scheduler_metrics import scheduler_metrics, scheduler_restarts
from forge_common.config import LaunchConfig
from forge_common.settings_schema import settings_table
from forge_scheduler.stats import starting_stats
from tests.faults.table import table

ROOT = Path(__file__).parent.parent
PACKAGES = ("forge_api", "forge_scheduler", "forge_worker", "forge_common")
README = ROOT / "README.md"
PAGES = tuple(ROOT / "docs" / f"{name}.md" for name in ("settings", "files", "watching", "faults"))


def flags() -> str:
    return settings_table(LaunchConfig).strip()


def layout() -> str:
    return "\n".join(line for package in PACKAGES for line in _tree(ROOT / package, 0))


def metrics() -> str:
    """Every family that a scrape of a deployment without faults or vLLM's names can hold."""
    stats = replace(
        starting_stats(), worker_uptime_s=1.0, last_step_age_s=1.0, oldest_waiting_age_s=1.0
    )
    families = [
        *Metrics().registry.collect(),
        scheduler_restarts(0),
        *scheduler_metrics(stats),
    ]
    rows = sorted(
        f"| `{family.name}{'_total' if family.type == 'counter' else ''}` | {family.type} |"
        f" {family.documentation} |"
        for family in families
    )
    return "\n".join(["| metric | | |", "|---|---|---|", *rows])


PARTS: dict[str, Callable[[], str]] = {
    "flags": flags,
    "layout": layout,
    "metrics": metrics,
    "faults": table,
}


def with_parts(text: str) -> str:
    """`text` with every part as the code has it now."""
    return re.sub(r"<!-- ([\w-]+) -->\n.*?<!-- /\1 -->", _replacement, text, flags=re.DOTALL)


def _replacement(found: re.Match[str]) -> str:
    name = found[1]
    return f"<!-- {name} -->\n{PARTS[name]()}\n<!-- /{name} -->"


def _tree(directory: Path, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}- `{directory.name}/` {_summary(directory / '__init__.py')}".rstrip()
    for path in sorted(directory.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        if path.is_dir() and any(path.rglob("*.py")):
            yield from _tree(path, depth + 1)
        elif path.suffix == ".py" and path.name != "__init__.py":
            yield f"{'  ' * (depth + 1)}- `{path.name}` {_summary(path)}".rstrip()


def _summary(path: Path) -> str:
    """The first sentence of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) if path.exists() else None
    first = re.split(r"(?<=[.:])\s", " ".join((docstring or "").split("\n\n")[0].split()))[0:2]
    text = " ".join(first) if first and first[0].endswith(":") else "".join(first[:1])
    return text.rstrip(".:")


def main() -> None:
    for page in PAGES:
        page.write_text(with_parts(page.read_text()))


if __name__ == "__main__":
    main()
