"""What may never appear in shipped code: ways in for whoever sends bytes, and checks that vanish.

Each ban is tried on a line that breaks it, so that none can pass by finding nothing at all.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOT_SHIPPED = "making"  # of the demo model: left out of the package, run by whoever makes it anew
SHIPPED = [
    path
    for folder in ("forge_api", "forge_scheduler", "forge_worker", "forge_common", "deploy")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if NOT_SHIPPED not in path.parts
]
BANNED_MODULES = {
    *("torch", "pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib"),
    *("marshal", "shelve", "code", "codeop", "imp", "runpy"),
}
BANNED_CALLS = {"eval", "exec", "compile", "__import__", "breakpoint"}
BANNED_METHODS = {
    *("recv_pyobj", "send_pyobj"),  # pickle over a socket
    *("getoutput", "getstatusoutput", "create_subprocess_shell"),
}
BANNED_OF_OS = {"system", "popen"}  # a shell
BANNED_TRUE_ARGUMENTS = {"shell", "allow_pickle"}

Ban = Callable[[ast.AST], bool]


def imports_banned(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] in BANNED_MODULES for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return node.module.split(".")[0] in BANNED_MODULES
    return False


def calls_banned(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id in BANNED_CALLS
    if not isinstance(node.func, ast.Attribute):
        return False
    of_os = isinstance(node.func.value, ast.Name) and node.func.value.id == "os"
    return node.func.attr in BANNED_METHODS | (BANNED_OF_OS if of_os else set())


def opens_shell_or_pickle(node: ast.AST) -> bool:
    """Anything but a plain False counts: what a variable holds cannot be read here."""
    return isinstance(node, ast.keyword) and (
        node.arg in BANNED_TRUE_ARGUMENTS
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    )


def catches_everything(node: ast.AST) -> bool:
    return isinstance(node, ast.ExceptHandler) and node.type is None


def asserts(node: ast.AST) -> bool:
    """A check that `python -O` leaves out is none."""
    return isinstance(node, ast.Assert)


BANS: dict[Ban, str] = {
    imports_banned: "import os\nimport pickle\nfrom torch.nn import Linear",
    calls_banned: "eval('1')\nsocket.recv_pyobj()\nos.system('ls')",
    opens_shell_or_pickle: "run('ls', shell=True)\nload(file, allow_pickle=trusted)",
    catches_everything: "try:\n    pass\nexcept:\n    pass",
    asserts: "assert offset < size",
}


def offences(ban: Ban, source: str) -> Iterator[int]:
    """Lines that break it."""
    for node in ast.walk(ast.parse(source)):
        if ban(node):
            yield getattr(node, "lineno", 0)


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: ban.__name__)
def test_shipped_code_keeps_to_the_ban(ban: Ban) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SHIPPED
        for line in offences(ban, path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: ban.__name__)
def test_the_ban_finds_what_breaks_it(ban: Ban) -> None:
    assert list(offences(ban, BANS[ban]))


def test_a_plain_false_is_no_shell() -> None:
    assert not list(offences(opens_shell_or_pickle, "run(['ls'], shell=False)"))


def test_everything_shipped_is_looked_at() -> None:
    names = {path.relative_to(ROOT).parts[0] for path in SHIPPED}
    assert names >= {"forge_api", "forge_scheduler", "forge_worker", "forge_common", "deploy"}
