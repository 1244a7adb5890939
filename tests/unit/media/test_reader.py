"""An open file is read in pieces, and a file that shrank is not taken for a whole one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carapace.errors import Failed
from carapace.media.reader import PIECE_BYTES
from support.media import media_house


async def test_pieces_are_small_and_make_the_whole(tmp_path: Path):
    data = os.urandom(PIECE_BYTES * 2 + 7)
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(data)
        async with house.store.open_file(item.id) as reader:
            pieces = [piece async for piece in reader.pieces()]
            assert [len(piece) for piece in pieces] == [PIECE_BYTES, PIECE_BYTES, 7]
            assert b"".join(pieces) == data
            assert os.pread(reader.fileno(), 3, 1) == data[1:4]


async def test_a_file_that_shrank_is_reported(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(b"0123456789")
        os.truncate(house.files()[0], 4)
        async with house.store.open_file(item.id) as reader:
            with pytest.raises(Failed, match="cut short"):
                assert [piece async for piece in reader.pieces()] == [b"0123"]


async def test_a_closed_file_fails_in_words(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(b"0123456789")
        async with house.store.open_file(item.id) as reader:
            pass
        with pytest.raises(Failed, match="cannot be read"):
            await reader.read(0, 1)
