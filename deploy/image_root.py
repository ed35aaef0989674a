"""`python3 image_root.py VENV ROOT MODULE…`: the files of an image that runs VENV, and no others.

Runs as root where the image is built. Copies the environment, the interpreter under it, its
standard library and the shared libraries that any of them loads to the same paths below ROOT, and
leaves out what no server needs: tests, headers, Tk, symbols. Then MODULEs are imported in ROOT,
which shows that nothing is missing; what they import is kept as bytecode too, since nothing can be
written later. Knows nothing of Forge.
"""

from __future__ import annotations

import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

Ignore = Callable[[str, list[str]], set[str]]

LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip",
    "pydoc_data", "config-3*", "site-packages", "dist-packages", "_tkinter*", "_test*", "*.a",
    "_dbm*", "_gdbm*", "nis.*",
)  # fmt: skip
LEFT_OUT_OF_PACKAGES = shutil.ignore_patterns(
    "__pycache__", "tests", "f2py", "*.h", "*.c", "*.cpp", "*.pyx", "*.pxd", "*.pyi", "*.a"
)
LIST_IMPORTED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
for module in list(sys.modules.values()):
    print(getattr(module, "__file__", None) or "")
"""
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/ssl/certs/ca-certificates.crt")
USER = "forge:x:10001:10001::/var/lib/forge:/nonexistent\n"
GROUP = "forge:x:10001:\n"
# Apart from ROOT, for a COPY that gives them to the user. A tmpfs of root's covers /var/lib/forge.
DIRECTORIES_OF_USER = Path("/directories-of-user")
MODES = {
    "var/lib/forge": 0o1777,
    "var/cache/forge": 0o700,
    "keys/scheduler": 0o700,
    "keys/worker": 0o700,
    "keys/api": 0o700,
    "keys/client": 0o700,
}


def main(venv: Path, root: Path, modules: Sequence[str]) -> None:
    copy_tree(Path(sysconfig.get_path("stdlib")), root, LEFT_OUT)
    copy_tree(venv, root, LEFT_OUT_OF_PACKAGES)
    copy_chain(venv / "bin" / "python3", root)
    for path in shared_libraries(elf_files(root), root):
        copy_file(path, root)
    for name in SYSTEM_FILES:
        if os.path.exists(name):
            copy_file(Path(name), root)
    strip(root)
    make_system(root)
    compile_imported(venv, root, modules)


def below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def copy_tree(source: Path, root: Path, left_out: Ignore) -> None:
    shutil.copytree(source, below(root, source), symlinks=True, ignore=left_out)


def copy_chain(link: Path, root: Path) -> None:
    """Every link on the way to the interpreter, and the interpreter."""
    while link.is_symlink():
        if not os.path.lexists(below(root, link)):
            below(root, link).parent.mkdir(parents=True, exist_ok=True)
            below(root, link).symlink_to(os.readlink(link))
        link = link.parent / os.readlink(link)
    copy_file(link, root)


def copy_file(path: Path, root: Path) -> None:
    target = below(root, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target)


def elf_files(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def shared_libraries(files: Iterable[Path], root: Path) -> set[Path]:
    """What the loader finds for `files` outside of them: the C library, OpenSSL and the like."""
    found: set[Path] = set()
    for path in files:
        original = Path("/", path.relative_to(root))
        said = subprocess.run(["ldd", original], capture_output=True, text=True).stdout  # noqa: S603, S607
        found |= set(map(Path, re.findall(r"(?:=> |^\s*)(/\S+) \(0x", said, re.MULTILINE)))
    return {path for path in found if not below(root, path).exists()}


def strip(root: Path) -> None:
    """Symbols that no loader reads. Not in *.libs: those were rewritten, and may break by it."""
    for path in elf_files(root):
        if not path.parent.name.endswith(".libs"):
            subprocess.run(["strip", "--strip-unneeded", path], check=True)  # noqa: S603, S607


def make_system(root: Path) -> None:
    (root / "etc" / "passwd").write_text("root:x:0:0::/:/nonexistent\n" + USER)
    (root / "etc" / "group").write_text("root:x:0:\n" + GROUP)
    (root / "tmp").mkdir(mode=0o1777)
    (root / "tmp").chmod(0o1777)
    for name, mode in MODES.items():
        directory = DIRECTORIES_OF_USER / name
        directory.mkdir(parents=True)
        directory.chmod(mode)


def compile_imported(venv: Path, root: Path, modules: Sequence[str]) -> None:
    """Bytecode that is trusted as it stands: files of an image do not change."""
    python = venv / "bin" / "python3"
    command = ["chroot", root, python, "-B", "-c", LIST_IMPORTED, *modules]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603
    for name in {line for line in said.splitlines() if line.endswith(".py")}:
        py_compile.compile(
            str(below(root, Path(name))),
            dfile=name,
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
