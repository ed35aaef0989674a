"""Parts of README and docs that follow from the code: `python -m tests.derived_docs` writes them.

Each part stands between `<!-- NAME -->` and `<!-- /NAME -->`; a test holds text and code together.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from forge_api import parameters
from forge_api.openai_types import ChatCompletionRequest, CompletionRequest
from forge_common.config import LaunchConfig
from forge_common.settings_schema import settings_table

ROOT = Path(__file__).parent.parent
PACKAGES = ("forge_api", "forge_scheduler", "forge_worker", "forge_common")
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "parameters.md")


def flags() -> str:
    return settings_table(LaunchConfig).strip()


def layout() -> str:
    return "\n".join(line for package in PACKAGES for line in _tree(ROOT / package, 0))


def chat_fields() -> str:
    return _field_list(ChatCompletionRequest)


def completion_fields() -> str:
    return _field_list(CompletionRequest)


def hints() -> str:
    rows = (f"| `{name}` | {reason} |" for name, reason in parameters.HINTS.items())
    return "\n".join(["| field | |", "|---|---|", *rows])


def refused() -> str:
    return _refusals(parameters.REFUSED)


def refused_in_chat() -> str:
    return _refusals(parameters.REFUSED_IN_CHAT)


def refused_in_completions() -> str:
    return _refusals(parameters.REFUSED_IN_COMPLETIONS)


PARTS: dict[str, Callable[[], str]] = {
    "flags": flags,
    "layout": layout,
    "chat-fields": chat_fields,
    "completion-fields": completion_fields,
    "hints": hints,
    "refused": refused,
    "refused-in-chat": refused_in_chat,
    "refused-in-completions": refused_in_completions,
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


def _field_list(body: type[msgspec.Struct]) -> str:
    return ", ".join(f"`{field.encode_name}`" for field in msgspec.structs.fields(body))


def _refusals(table: dict[str, parameters.Refusal]) -> str:
    rows = (
        f"| `{name}` | {refusal.reason} | {', '.join(map(_as_json, refusal.neutral))} |"
        for name, refusal in table.items()
    )
    return "\n".join(["| field | why | accepted values |", "|---|---|---|", *rows])


def _as_json(value: object) -> str:
    return f"`{msgspec.json.encode(value).decode()}`"


def main() -> None:
    for path in DOCUMENTS:
        path.write_text(with_parts(path.read_text()))


if __name__ == "__main__":
    main()
