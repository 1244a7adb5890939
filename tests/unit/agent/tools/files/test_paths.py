"""Which paths name something below the root."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from carapace.agent.tools.files.paths import parts_of, shown
from carapace.agent.tools.registry import ToolTrouble

ROOT = PurePosixPath("/home/me/workspace")


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("a", ("a",)),
        ("./a//b/", ("a", "b")),
        (".", ()),
        ("/home/me/workspace", ()),
        ("/home/me//workspace/./a b", ("a b",)),
        ("...", ("...",)),
        ("a/~b", ("a", "~b")),
        ("größe", ("größe",)),
    ],
)
def test_names_below_the_root(path: str, parts: tuple[str, ...]):
    assert parts_of(path, ROOT) == parts


@pytest.mark.parametrize(
    "path",
    [
        *("..", "a/../b", "a/..", "/etc/passwd", "/", "/home/me", "/home/me/workspace2/a"),
        *("/home/me/workspace/../x", "~/x", "~root/x", "//etc/passwd"),
    ],
)
def test_what_is_elsewhere_is_refused(path: str):
    with pytest.raises(ToolTrouble, match="not in the workspace"):
        parts_of(path, ROOT)


@pytest.mark.parametrize(
    "path", ["", " ", "a\0b", "a\nb", "a\u202eb", "x" * 300, "a/" * 40, "x" * 1_025, "ü" * 200]
)
def test_what_is_no_path_is_refused(path: str):
    with pytest.raises(ToolTrouble):
        parts_of(path, ROOT)


def test_answers_name_the_path_below_the_root():
    assert (shown(("a", "b")), shown(())) == ("a/b", ".")
