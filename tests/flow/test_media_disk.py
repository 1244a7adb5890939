"""A disk that is really full costs the file that does not fit, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from carapace.errors import Failed
from support.media import PNG, media_house
from support.small_disk import small_disk

MEBIBYTE = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, size_mb=2) as disk:
        yield disk


@pytest.mark.slow
async def test_a_full_disk_is_said_and_leaves_nothing_behind(disk: Path):
    async with media_house(disk) as house:
        kept = await house.store.put_bytes(PNG)
        for _ in range(3):
            with pytest.raises(Failed, match=r"disk of the media folder is full.*free space"):
                await house.store.put_bytes(os.urandom(3 * MEBIBYTE))
            assert [path.name for path in house.files()] == [kept.id]
        fits = await house.store.put_bytes(os.urandom(MEBIBYTE))
        assert (await house.store.read(fits.id, max_bytes=MEBIBYTE))[:1]
        assert await house.store.read(kept.id, max_bytes=1000) == PNG
