"""A file system so small that a test can fill it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["small_disk"]


@contextmanager
def small_disk(folder: Path, *, size_mb: int) -> Generator[Path]:
    """A tmpfs in `folder`; skips the test loudly where none can be mounted."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if sys.platform != "linux" or os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("NOT CHECKED: a full disk needs root to mount a small tmpfs")
    disk = folder / "disk"
    disk.mkdir()
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size_mb}m", "carapace-test", str(disk)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"NOT CHECKED: a full disk needs a tmpfs ({made.stderr.decode().strip()})")
    try:
        yield disk
    finally:
        subprocess.run([umount, "-l", str(disk)], check=True)
