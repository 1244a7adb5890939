"""The tree is in order: `python tests/layout.py` prints what is not and exits 1.

Every source file has its test, every room its docstring and `__all__` its names; no tracked
file names a package registry's host, an absolute path of a developer's machine, or a secret.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
UNIT = ROOT / "tests" / "unit"

# Files with nothing to test by themselves; the list only shrinks.
UNTESTED = {}

# Spelled in pieces, so that this file does not name what it forbids.
FORBIDDEN = (
    re.compile(r"(?:files\.)?python" + r"hosted\.org|py" + r"pi\.org|registry\.np" + r"mjs\.org"),
    re.compile(r"/(?:work|root)/[a-z]|/home/(?!user|me|you|carapace|assistant)[a-z]+/"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE " + r"KEY-----"),
)
BINARY = {".png", ".gz", ".gguf", ".wasm", ".ico"}


def source_files() -> Iterator[Path]:
    """All modules of both packages."""
    for package in ("carapace", "carapace_tools"):
        yield from sorted((SOURCE / package).rglob("*.py"))


def expected_test(source: Path) -> Path:
    """`src/carapace/net/address.py` is tested by `tests/unit/net/test_address.py`."""
    relative = source.relative_to(SOURCE)
    parts = relative.parts[1:] if relative.parts[0] == "carapace" else relative.parts
    name = f"test_{source.stem.strip('_')}.py"
    return UNIT.joinpath(*parts[:-1], name)


def missing_tests() -> Iterator[str]:
    """Source files without a test file of their own; `__init__.py` holds no code."""
    for source in source_files():
        name = str(source.relative_to(SOURCE))
        test = expected_test(source)
        has_test = test.exists()
        if source.name == "__init__.py":
            continue
        if name in UNTESTED:
            if has_test:
                yield f"{name}: has a test now, take it off the list in tests/layout.py"
        elif not has_test:
            yield f"{name}: no {test.relative_to(ROOT)}"


def orphan_tests() -> Iterator[str]:
    """Unit tests whose source file is gone."""
    known = {expected_test(source) for source in source_files()}
    for test in sorted(UNIT.rglob("test_*.py")):
        if test not in known:
            yield f"{test.relative_to(ROOT)}: tests no source file"


def undocumented() -> Iterator[str]:
    """Modules without a docstring, modules without `__all__`, packages with code in them."""
    for source in source_files():
        tree = ast.parse(source.read_text("utf-8"))
        name = source.relative_to(SOURCE)
        if not ast.get_docstring(tree):
            yield f"{name}: no docstring"
        assigns = [n for n in tree.body if isinstance(n, ast.Assign)]
        names = {t.id for n in assigns for t in n.targets if isinstance(t, ast.Name)}
        if source.name != "__init__.py" and "__all__" not in names:
            yield f"{name}: no __all__"


def forbidden_text() -> Iterator[str]:
    """Tracked files that say what must not be in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in BINARY or not path.is_file():
            continue
        text = path.read_text("utf-8", errors="replace")
        for pattern in FORBIDDEN:
            if found := pattern.search(text):
                line = text.count("\n", 0, found.start()) + 1
                yield f"{name}:{line}: must not name {found.group()!r}"


def main() -> int:
    """Print all problems."""
    problems = [*missing_tests(), *orphan_tests(), *undocumented(), *forbidden_text()]
    for problem in problems:
        print(problem)
    print(f"layout: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
