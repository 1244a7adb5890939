"""Patches, read and applied."""

from __future__ import annotations

import pytest

from carapace.agent.tools.files.patch import (
    MAX_FILES,
    Add,
    Delete,
    Hunk,
    Update,
    parse,
    patched,
)
from carapace.agent.tools.registry import ToolTrouble


def patch(*lines: str) -> str:
    return "\n".join(("*** Begin Patch", *lines, "*** End Patch"))


def changed(text: str, *lines: str) -> str:
    (update,) = parse(patch("*** Update File: x", *lines))
    assert isinstance(update, Update)
    return patched(text, update.hunks, "x")


def test_every_kind_of_operation_is_read():
    text = patch(
        *("*** Add File: new.md", "+one", "+", "+two"),
        *("*** Update File: a.py", "*** Move to: b.py", "@@ def f():", " x", "-y", "+z"),
        *("@@ class A:", "@@ def g():", "+w", "*** End of File"),
        *("*** Delete File: old.txt",),
    )
    assert parse("\n" + text + "\n") == [
        Add("new.md", "one\n\ntwo\n"),
        Update(
            "a.py",
            (
                Hunk(("def f():",), ("x", "y"), ("x", "z")),
                Hunk(("class A:", "def g():"), (), ("w",), is_last=True),
            ),
            "b.py",
        ),
        Delete("old.txt"),
    ]


def test_a_file_may_only_change_its_name_and_windows_line_ends_are_understood():
    assert parse(patch("*** Update File: a", "*** Move to: b").replace("\n", "\r\n")) == [
        Update("a", (), "b")
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begins with the line"),
        ("*** Begin Patch", "begins with the line"),
        (patch(), "this one 0"),
        (patch(*[f"*** Delete File: {n}" for n in range(MAX_FILES + 1)]), "this one 51"),
        (patch("hello"), "Line 2 of the patch is neither"),
        (patch("*** Add File: ", "+a"), "names no file"),
        (patch("*** Add File: a", "b"), r"Line 3 of the patch does not begin with \+"),
        (patch("*** Update File: a"), "nothing is changed"),
        (patch("*** Update File: a", "@@", " same"), "changes nothing"),
        (patch("*** Update File: a", "-a", "odd"), "neither a space"),
        (patch("*** Update File: a", "@@", "-a", "*** End of File", "-b"), "should begin with @@"),
    ],
)
def test_what_is_no_patch_is_refused_with_its_line(text: str, why: str):
    with pytest.raises(ToolTrouble, match=why):
        parse(text)


def test_lines_are_replaced_where_they_stand():
    assert changed("a\nb\nc\n", "@@", " a", "-b", "+B") == "a\nB\nc\n"
    assert changed("a\nb", "-b", "+B") == "a\nB"
    assert changed("a\nb\n", "-a", "-b") == ""
    assert changed("", "+a") == "a\n"


def test_the_second_of_two_places_is_found_behind_its_heading():
    text = "def f():\n  x\ndef g():\n  x\n"
    assert changed(text, "@@ def g():", "-  x", "+  y") == "def f():\n  x\ndef g():\n  y\n"
    assert changed(text, "@@ def f():", "+  new") == "def f():\n  new\n  x\ndef g():\n  x\n"


def test_hunks_follow_one_another():
    text = "a\na\na\n"
    assert changed(text, "@@", "-a", "+1", "@@", "-a", "+2") == "1\n2\na\n"


def test_the_end_of_the_file_is_meant():
    text = "a\nb\na\n"
    assert changed(text, "@@", "-a", "+z", "*** End of File") == "a\nb\nz\n"
    assert changed(text, "@@", "+z", "*** End of File") == "a\nb\na\nz\n"
    with pytest.raises(ToolTrouble, match="not there"):
        changed(text, "@@", "-b", "+z", "*** End of File")


def test_spaces_at_the_ends_of_lines_are_forgiven_if_nothing_fits_better():
    assert changed("a  \nb\n", "-a", "+A") == "A\nb\n"
    assert changed("a  \na\n", "-a", "+A") == "a  \nA\n"
    assert changed("a\n\nb\n", " a", "", "-b", "+B") == "a\n\nB\n"


@pytest.mark.parametrize("lines", [("-zzz", "+y"), ("@@ nowhere", "-a", "+b")])
def test_what_does_not_fit_is_shown(lines: tuple[str, ...]):
    with pytest.raises(ToolTrouble, match="x: "):
        changed("a\n", *lines)
