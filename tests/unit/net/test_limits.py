from __future__ import annotations

import asyncio
import gzip
import zlib

import httpx2
import pytest

from carapace.net.limits import BodyTooLarge, Inflater, LimitedStream, Meter


class Pieces(httpx2.AsyncByteStream):
    def __init__(self, *pieces, hang=False):
        self.pieces = pieces
        self.hang = hang
        self.closed = False

    async def __aiter__(self):
        for piece in self.pieces:
            yield piece
        if self.hang:
            await asyncio.Event().wait()

    async def aclose(self):
        self.closed = True


def limited(stream, coding="identity", wire=1000, decoded=1000, deadline=None):
    return LimitedStream(
        stream, coding=coding, max_wire_bytes=wire, max_decoded_bytes=decoded, deadline=deadline
    )


async def read(stream):
    return b"".join([piece async for piece in stream])


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("identity", bytes),
        ("", bytes),
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
    ],
)
async def test_each_coding_comes_out_as_it_went_in(coding, pack):
    packed = pack(b"hello " * 50)
    stream = limited(Pieces(packed[:7], packed[7:]), coding)
    assert await read(stream) == b"hello " * 50


async def test_an_empty_coded_body_is_fine():
    assert await read(limited(Pieces(), "gzip")) == b""


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
def test_codings_that_were_not_asked_for_are_refused(coding):
    with pytest.raises(httpx2.DecodingError, match="not asked for"):
        Inflater(coding)


async def test_a_body_beyond_the_wire_cap_stops():
    with pytest.raises(BodyTooLarge, match="body is larger than 10 bytes"):
        await read(limited(Pieces(b"x" * 11), wire=10))


async def test_a_small_body_that_inflates_beyond_its_cap_stops():
    bomb = gzip.compress(b"\0" * 50_000_000)
    stream = limited(Pieces(bomb), "gzip", wire=len(bomb), decoded=100_000)
    seen = 0
    with pytest.raises(BodyTooLarge, match="after decompression"):  # noqa: PT012 - amid the loop
        async for piece in stream:
            seen += len(piece)
    assert seen <= 100_000


async def test_broken_and_cut_bodies_are_errors():
    with pytest.raises(httpx2.DecodingError, match="broken"):
        await read(limited(Pieces(b"not gzip at all"), "gzip"))
    with pytest.raises(httpx2.DecodingError, match="ended before"):
        await read(limited(Pieces(gzip.compress(b"x" * 500)[:-4]), "gzip"))


async def test_a_body_that_hangs_meets_its_deadline():
    deadline = asyncio.get_running_loop().time() + 0.01
    with pytest.raises(httpx2.ReadTimeout):
        await read(limited(Pieces(b"x", hang=True), deadline=deadline))


async def test_closing_closes_the_wire():
    inner = Pieces()
    await limited(inner).aclose()
    assert inner.closed


def test_a_meter_takes_exactly_its_cap():
    meter = Meter(3, "body")
    meter.add(3)
    with pytest.raises(BodyTooLarge):
        meter.add(1)


async def test_a_bomb_lets_others_have_their_turn():
    bomb = gzip.compress(b"\0" * 5_000_000)
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await read(limited(Pieces(bomb), "gzip", wire=len(bomb), decoded=10_000_000))
    beside.cancel()
    assert turns >= 5_000_000 // 65_536
