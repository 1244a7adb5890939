"""Whatever path a model writes and whoever changes the folder: nothing outside is touched."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
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
    root.mkdir()
    outside.mkdir()
    (outside / "file").write_text("outside")
    parts = ("swap",) if kind == "file" else ("swap", "file")
    change(root, [Change(parts, b"mine")])
    stop, swapped = threading.Event(), threading.Event()
    target = outside / "file" if kind == "file" else outside
    swapper = threading.Thread(target=_swap, args=(root, target, stop, swapped))
    swapper.start()
    try:
        assert swapped.wait(timeout=10)
        for _ in range(ROUNDS):
            with suppress(ToolTrouble):
                assert read_file(root, parts, max_bytes=100).data == b"mine"
            with suppress(ToolTrouble):
                change(root, [Change(parts, b"mine")])
    finally:
        stop.set()
        swapper.join(timeout=10)
    assert {one.name for one in outside.iterdir()} == {"file"}
    assert (outside / "file").read_text() == "outside"


def _swap(root: Path, target: Path, stop: threading.Event, swapped: threading.Event) -> None:
    """Take the plain thing away, put a link in its place, and the plain thing back."""
    name, parked = root / "swap", root / "parked"
    while not stop.is_set():
        with suppress(OSError):
            if parked.exists():  # somebody made another one meanwhile
                _remove(name)
                parked.rename(name)
            name.rename(parked)
            name.symlink_to(target)
            swapped.set()
            name.unlink()
            parked.rename(name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
