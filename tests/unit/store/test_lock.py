"""One gateway per state directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from carapace.store.errors import StateLocked, UnsafePath
from carapace.store.lock import StateLock


def test_a_second_holder_is_told_which_process_has_it(tmp_path: Path):
    path = tmp_path / "state" / "carapace.db.lock"
    lock = StateLock(path)
    with pytest.raises(StateLocked, match=f"in use by process {os.getpid()}"):
        StateLock(path)
    lock.release()
    StateLock(path).release()


def test_release_twice_is_fine_and_leaves_no_pid(tmp_path: Path):
    path = tmp_path / "lock"
    lock = StateLock(path)
    lock.release()
    lock.release()
    assert path.read_text() == ""


def test_a_holder_without_a_readable_pid_is_another_process(tmp_path: Path):
    path = tmp_path / "lock"
    lock = StateLock(path)
    path.write_text("?")
    with pytest.raises(StateLocked, match="another process"):
        StateLock(path)
    lock.release()


def test_a_directory_that_cannot_be_used_says_so(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UnsafePath, match="cannot be used"):
        StateLock(tmp_path / "file" / "lock")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(UnsafePath, match="cannot be used"):
        StateLock(tmp_path / "link")


@pytest.mark.slow
def test_a_holder_that_was_killed_leaves_no_lock(tmp_path: Path):
    path = tmp_path / "lock"
    code = (
        "import sys; from pathlib import Path; from carapace.store.lock import StateLock;"
        "lock = StateLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StateLocked, match=f"process {holder.pid}"):
            StateLock(path)
        holder.kill()
    StateLock(path).release()
