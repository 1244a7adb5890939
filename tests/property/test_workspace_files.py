"""Whatever path a model writes and whoever changes the folder: nothing outside is touched."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carapace.agent.tools.files.patch import Hunk, parse, patched
from carapace.agent.tools.files.paths import parts_of
from carapace.agent.tools.files.root import Change, change, read_file
from carapace.agent.tools.files.text import excerpt, text_of
from carapace.agent.tools.registry import ToolTrouble

ROUNDS = 300
PIECES = st.sampled_from(
    ["..", ".", "", "a", "b", "link", "up", "root", "loop", "hard", "~", "pipe", "\0", "ü"]
)
PATHS = st.one_of(
    st.lists(PIECES, max_size=8).map("/".join),
    st.lists(PIECES, max_size=8).map(lambda parts: "/" + "/".join(parts)),
    st.text(max_size=40),
)
LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=5))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace full of ways out, beside a file that nothing may read or change."""
    base = tmp_path_factory.mktemp("hostile")
    root = base / "workspace"
    (root / "a" / "b").mkdir(parents=True)
    (base / "secret").write_text("outside")
    (root / "link").symlink_to(base / "secret")
    (root / "up").symlink_to("..")
    (root / "root").symlink_to("/")
    (root / "loop").symlink_to("loop")
    (root / "a" / "link").symlink_to(base)
    (root / "hard").hardlink_to(base / "secret")
    os.mkfifo(root / "pipe")
    yield root
    shutil.rmtree(base)


@given(path=PATHS)
@example(path="a/link/secret")
@example(path="up/secret")
@example(path="root/etc/hostname")
@example(path="/proc/self/cwd/../secret")
def test_nothing_outside_is_read_or_written(hostile: Path, path: str):
    outside = hostile.parent / "secret"
    with suppress(ToolTrouble):
        parts = parts_of(path, PurePosixPath(hostile))
        with suppress(ToolTrouble):
            assert read_file(hostile, parts, max_bytes=100).data == b"mine"
        change(hostile, [Change(parts, b"mine")])
    assert outside.read_text() == "outside"
    assert {one.name for one in hostile.parent.iterdir()} == {"secret", "workspace"}


@given(LINES)
def test_a_patch_that_replaces_all_lines_gives_the_new_ones(lines: list[str]):
    old = tuple(lines) or ("x",)
    text = "".join(f"{line}\n" for line in old)
    assert patched(text, [Hunk((), old, ("new",))], "x") == "new\n"


@given(st.text(max_size=60))
def test_any_text_is_a_patch_or_a_refusal(text: str):
    with suppress(ToolTrouble):
        parse(f"*** Begin Patch\n{text}\n*** End Patch")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_text_that_goes_back_or_a_refusal(data: bytes):
    with suppress(ToolTrouble):
        file = text_of(data, "x")
        assert file.encoded(file.text) == data
        excerpt(file.text, offset=1, limit=5, max_chars=20)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_that_is_swapped_in_all_the_time_leads_nowhere(tmp_path: Path, kind: str):
    """What is at the name is plain, then a link outside, then plain: again and again."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "plain").mkdir(parents=True)
    outside.mkdir()
    (outside / "file").write_text("outside")
    (root / "plain" / "file").write_text("mine")
    parts = ("swap",) if kind == "file" else ("swap", "file")
    stop = threading.Event()
    swapper = threading.Thread(target=_swap, args=(root, outside, kind, stop))
    swapper.start()
    try:
        read = sum(_is_done(lambda: _read_mine(root, parts)) for _ in range(ROUNDS))
        written = sum(
            _is_done(lambda: change(root, [Change(parts, b"mine")])) for _ in range(ROUNDS)
        )
    finally:
        stop.set()
        swapper.join(timeout=10)
    assert read + written > 0
    assert {one.name for one in outside.iterdir()} == {"file"}
    assert (outside / "file").read_text() == "outside"


def _read_mine(root: Path, parts: tuple[str, ...]) -> None:
    assert read_file(root, parts, max_bytes=100).data == b"mine"


def _is_done(step: Callable[[], None]) -> bool:
    try:
        step()
    except ToolTrouble:
        return False
    return True


def _swap(root: Path, outside: Path, kind: str, stop: threading.Event) -> None:
    """Put a link and the plain thing at the same name in turn, each by one rename."""
    target = outside / "file" if kind == "file" else outside
    while not stop.is_set():
        with suppress(OSError):
            (root / "link").symlink_to(target)
            _place(root / "link", root / "swap")
        with suppress(OSError):
            if kind == "file":
                (root / "copy").write_text("mine")
            else:
                shutil.copytree(root / "plain", root / "copy")
            _place(root / "copy", root / "swap")


def _place(new: Path, name: Path) -> None:
    if name.is_dir() and not name.is_symlink():
        shutil.rmtree(name, ignore_errors=True)
    elif new.is_dir() and not new.is_symlink():
        name.unlink(missing_ok=True)
    new.rename(name)
