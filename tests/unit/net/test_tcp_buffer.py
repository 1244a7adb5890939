from __future__ import annotations

import asyncio

import pytest

from carapace.net.tcp_buffer import READ_AHEAD_BYTES, Receiver


class Transport(asyncio.Transport):
    """Notes whether its owner wants to hear more."""

    def __init__(self):
        super().__init__()
        self.hears = True

    def pause_reading(self):
        self.hears = False

    def resume_reading(self):
        self.hears = True

    def is_closing(self):
        return False


def receiver():
    made, transport = Receiver(), Transport()
    made.connection_made(transport)
    return made, transport


async def test_no_more_is_taken_from_a_fast_peer_than_fits():
    made, transport = receiver()
    made.data_received(bytes(READ_AHEAD_BYTES))
    assert not transport.hears
    assert len(await made.read(1000, None)) == 1000
    assert not transport.hears
    assert len(await made.read(READ_AHEAD_BYTES, None)) == READ_AHEAD_BYTES - 1000
    assert transport.hears


async def test_a_reader_is_woken_by_data_by_the_end_and_by_a_break():
    for happens, then in (
        (lambda made: made.data_received(b"x"), b"x"),
        (lambda made: made.eof_received(), b""),
        (lambda made: made.connection_lost(None), b""),
    ):
        made, _ = receiver()
        reading = asyncio.ensure_future(made.read(10, 5))
        await asyncio.sleep(0)
        happens(made)
        assert await reading == then


async def test_what_broke_the_connection_is_told_after_what_came():
    made, _ = receiver()
    made.data_received(b"x")
    made.connection_lost(ConnectionResetError("gone"))
    assert await made.read(10, None) == b"x"
    with pytest.raises(OSError, match="gone"):
        await made.read(10, None)
    with pytest.raises(OSError, match="gone"):
        await made.room(None)


async def test_a_writer_waits_for_room_and_hears_of_the_end():
    made, _ = receiver()
    await made.room(None)
    made.pause_writing()
    with pytest.raises(TimeoutError):
        await made.room(0.001)
    made.resume_writing()
    await made.room(None)
    made.pause_writing()
    made.connection_lost(None)
    await made.room(None)
