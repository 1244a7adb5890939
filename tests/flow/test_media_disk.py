"""A disk that is really full costs the file that does not fit, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from carapace.errors import Failed
from support.media import PNG, media_house

MEBIBYTE = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if sys.platform != "linux" or os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("NOT CHECKED: a full disk needs root to mount a small tmpfs")
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "carapace-test", str(disk)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"NOT CHECKED: a full disk needs a tmpfs ({made.stderr.decode().strip()})")
    try:
        yield disk
    finally:
        subprocess.run([umount, "-l", str(disk)], check=True)


@pytest.mark.slow
async def test_a_full_disk_is_said_and_leaves_nothing_behind(small_disk: Path):
    async with media_house(small_disk) as house:
        kept = await house.store.put_bytes(PNG)
        for _ in range(3):
            with pytest.raises(Failed, match=r"disk of the media folder is full.*free space"):
                await house.store.put_bytes(os.urandom(3 * MEBIBYTE))
            assert [path.name for path in house.files()] == [kept.id]
        fits = await house.store.put_bytes(os.urandom(MEBIBYTE))
        assert (await house.store.read(fits.id, max_bytes=MEBIBYTE))[:1]
        assert await house.store.read(kept.id, max_bytes=1000) == PNG
