"""Files are whole or not there, within their caps, and gone when their time has come."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from functools import partial
from pathlib import Path

import pytest

from carapace.config.settings.media import MediaSettings
from carapace.errors import Failed, Refused
from carapace.media import files as media_files
from carapace.media.store import MEBIBYTE, TooLarge
from carapace.media.types import MediaKind
from carapace.store.errors import WriteLost, WriteUnknown
from support.media import PNG, MediaHouse, media_house
from support.polling import until

MINUTE_S = 60.0
HOUR_S = 3600.0


async def endless(piece: bytes = b"x" * 65_536):
    while True:
        yield piece


async def collected(house: MediaHouse, media_id: str, start: int = 0, stop: int | None = None):
    return b"".join([piece async for piece in house.store.open_range(media_id, start, stop)])


def gauge(house: MediaHouse, name: str) -> float | None:
    return house.metrics.registry.get_sample_value(name)


async def test_what_is_put_comes_back_with_its_true_type(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG, filename="../../etc/pass\u202ewd.html")
        assert (item.content_type, item.kind) == ("image/png", MediaKind.IMAGE)
        assert item.size_bytes == len(PNG)
        assert item.filename == "pass wd.html"
        assert await house.store.get(item.id) == item
        assert await house.store.read(item.id, max_bytes=len(PNG)) == PNG
        assert gauge(house, "carapace_media_bytes") == len(PNG)
        assert gauge(house, "carapace_media_items") == 1


async def test_ranges_are_read_across_pieces_and_clipped_to_the_end(tmp_path: Path):
    data = bytes(range(256)) * 3000  # three pieces
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(data)
        assert await collected(house, item.id, 250_000, 600_001) == data[250_000:600_001]
        assert await collected(house, item.id, len(data) - 5, len(data) + 50) == data[-5:]
        assert await collected(house, item.id, len(data)) == b""


async def test_an_endless_stream_ends_at_the_cap_and_leaves_nothing(tmp_path: Path):
    async with media_house(tmp_path, max_item_mb=1) as house:
        with pytest.raises(TooLarge, match="longer than 1048576 bytes"):
            await house.store.put_stream(endless())
        with pytest.raises(TooLarge, match="longer than 100 bytes"):
            await house.store.put_stream(endless(), max_bytes=100)
        assert house.files() == []
        assert len(house.trail.lines()) == 2
        await house.store.put_bytes(bytes(MEBIBYTE))


async def test_a_file_longer_than_asked_for_is_not_read_at_all(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        with pytest.raises(TooLarge):
            await house.store.read(item.id, max_bytes=len(PNG) - 1)


async def test_nothing_is_no_file(tmp_path: Path):
    async with media_house(tmp_path) as house:
        with pytest.raises(Refused, match="empty"):
            await house.store.put_bytes(b"")
        assert house.files() == []


async def test_kinds_are_told_apart_by_content_and_refused_without_a_trace(tmp_path: Path):
    async with media_house(tmp_path) as house:
        with pytest.raises(Refused, match=r"text/html by its content.*image"):
            await house.store.put_bytes(
                b"<html>", filename="a.png", accept=frozenset({MediaKind.IMAGE})
            )
        assert house.files() == []
        assert house.trail.lines()[-1]["kind"] == "media.refused"
        await house.store.put_bytes(PNG, accept=frozenset({MediaKind.IMAGE}))


async def test_files_together_stay_under_the_total_even_while_they_arrive(tmp_path: Path):
    async with media_house(tmp_path, max_total_mb=1) as house:
        half = bytes(600_000)
        gate = asyncio.Event()

        async def slow():
            yield half
            await gate.wait()

        first = asyncio.create_task(house.store.put_stream(slow()))
        await until(lambda: house.store._quota.reserved_bytes)
        with pytest.raises(Failed, match="media store is full"):
            await house.store.put_bytes(half)
        gate.set()
        item = await first
        assert [path.name for path in house.files()] == [item.id]
        assert house.trail.lines()[-1]["reason"] == "the store is full"


async def test_a_full_store_makes_room_from_what_is_over(tmp_path: Path):
    async with media_house(tmp_path, max_total_mb=1) as house:
        old = await house.store.put_bytes(bytes(600_000))
        await house.clock.advance(61 * MINUTE_S)
        new = await house.store.put_bytes(bytes(600_000))
        assert await house.store.get(old.id) is None
        assert [path.name for path in house.files()] == [new.id]


async def test_who_needs_a_file_keeps_it_until_the_last_lets_go(tmp_path: Path):
    async with media_house(tmp_path) as house:
        store, write = house.store, house.database.write
        item = await store.put_bytes(PNG)
        for owner in ("inbox:1", "inbox:1", "outbox:2"):
            assert await write(partial(store.add_reference, media_id=item.id, owner=owner))
        await house.clock.advance(48 * HOUR_S)
        assert (await store.sweep()).items == 0
        assert await write(partial(store.release, owner="inbox:1")) == 1
        await house.clock.advance(2 * HOUR_S)
        assert (await store.sweep()).items == 0
        assert await write(partial(store.release, owner="outbox:2")) == 1
        assert (await store.sweep()).items == 0  # the time without an owner begins now
        await house.clock.advance(61 * MINUTE_S)
        swept = await store.sweep()
        assert (swept.items, swept.size_bytes) == (1, len(PNG))
        assert house.files() == []
        assert gauge(house, "carapace_media_bytes") == 0


async def test_nothing_outlives_its_time_and_nobody_owns_what_is_not_there(tmp_path: Path):
    async with media_house(tmp_path, ttl_hours=24) as house:
        store, write = house.store, house.database.write
        item = await store.put_bytes(PNG)
        assert await write(partial(store.add_reference, media_id=item.id, owner="turn:1"))
        await house.clock.advance(24 * HOUR_S)
        assert (await store.sweep()).items == 1
        assert not await write(partial(store.add_reference, media_id=item.id, owner="turn:2"))
        assert await write(partial(store.release, owner="turn:1")) == 0


async def test_a_reader_keeps_what_is_swept_under_it(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        async with house.store.open_file(item.id) as reader:
            await house.clock.advance(2 * HOUR_S)
            assert (await house.store.sweep()).items == 1
            assert await reader.read(0, 100) == PNG[:100]
        with pytest.raises(Refused, match="no such file"):
            async with house.store.open_file(item.id):
                pass


async def test_settings_change_while_it_runs(tmp_path: Path):
    async with media_house(tmp_path) as house:
        house.store.apply(MediaSettings(max_item_mb=1, max_total_mb=1))
        assert house.store.max_item_bytes == MEBIBYTE
        await house.store.put_bytes(bytes(MEBIBYTE))
        with pytest.raises(Failed, match=r"full \(1 MiB\)"):
            await house.store.put_bytes(b"x")


async def test_a_start_removes_what_a_crash_left_and_counts_what_is_there(tmp_path: Path):
    async with media_house(tmp_path) as house:
        kept = await house.store.put_bytes(PNG)
        lost = await house.store.put_bytes(PNG)
        await house.database.write(
            lambda tx: tx.execute("DELETE FROM media WHERE media_id = ?", (lost.id,))
        )
        (house.root / "new" / "m-half").write_bytes(b"half")
        again = await house.reopen()
        assert [path.name for path in house.files()] == [kept.id]
        assert gauge(house, "carapace_media_items") == 1
        assert (await again.sweep()).items == 0
        await again.aclose()


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
async def test_a_disk_that_refuses_leaves_nothing_and_says_so(tmp_path: Path, monkeypatch, step):
    def refuse(*args: object, **kwargs: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with media_house(tmp_path) as house:
        await house.store.put_bytes(PNG)  # so that its folders exist
        with monkeypatch.context() as patch:
            patch.setattr(media_files.os, step, refuse)
            with pytest.raises(Failed, match=r"disk of the media folder is full.*free space"):
                await house.store.put_bytes(PNG)
        assert len(house.files()) == 1
        await house.store.put_bytes(PNG)
        assert gauge(house, "carapace_media_bytes") == 2 * len(PNG)


async def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path, monkeypatch):
    def refuse(*args: object, **kwargs: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    async with media_house(tmp_path) as house:
        with monkeypatch.context() as patch:
            patch.setattr(media_files.os, "open", refuse)
            with pytest.raises(Failed, match="Permission denied"):
                await house.store.put_bytes(PNG)


async def test_a_row_that_was_surely_not_written_takes_its_file_along(tmp_path: Path, monkeypatch):
    async with media_house(tmp_path) as house:

        async def lost(fn: object) -> None:
            raise WriteLost("nothing was written")

        with monkeypatch.context() as patch:
            patch.setattr(house.database, "write", lost)
            with pytest.raises(WriteLost):
                await house.store.put_bytes(PNG)
        assert house.files() == []
        assert house.store._quota.reserved_bytes == 0


async def test_a_row_that_may_have_been_written_keeps_its_file(tmp_path: Path, monkeypatch):
    async with media_house(tmp_path) as house:

        async def unknown(fn: object) -> None:
            raise WriteUnknown("nobody knows")

        with monkeypatch.context() as patch:
            patch.setattr(house.database, "write", unknown)
            with pytest.raises(WriteUnknown):
                await house.store.put_bytes(PNG)
        assert len(house.files()) == 1
        assert house.store._quota.reserved_bytes == 0
        again = await house.reopen()  # the next start knows that there is no row
        assert house.files() == []
        await again.aclose()


async def test_a_caller_that_leaves_while_bytes_come_leaves_nothing(tmp_path: Path):
    async with media_house(tmp_path) as house:
        began = asyncio.Event()

        async def stuck():
            yield bytes(300_000)
            began.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(house.store.put_stream(stuck()))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert house.files() == []
        assert house.store._quota.reserved_bytes == 0


async def test_what_the_source_raises_is_raised(tmp_path: Path):
    async with media_house(tmp_path) as house:

        async def broken():
            yield b"abc"
            raise ConnectionResetError("the peer went away")

        with pytest.raises(ConnectionResetError):
            await house.store.put_stream(broken())
        assert house.files() == []


async def test_sweeps_go_on_by_themselves_and_survive_a_busy_database(tmp_path: Path, monkeypatch):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        swept: list[int] = []
        real = house.store.sweep

        async def sweep():
            if not swept:
                swept.append(-1)
                raise Failed("busy")
            result = await real()
            swept.append(result.items)
            return result

        monkeypatch.setattr(house.store, "sweep", sweep)
        task = asyncio.create_task(house.store.run())
        await house.clock.advance(300)
        assert swept == [-1]
        await house.clock.advance(2 * HOUR_S)
        while 1 not in swept:
            await house.clock.advance(300)
            await asyncio.sleep(0.001)
        assert await house.store.get(item.id) is None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_file_that_left_the_disk_is_reported(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        house.files()[0].unlink()
        with pytest.raises(Failed, match="cannot be read"):
            await house.store.read(item.id, max_bytes=1000)


async def test_a_file_that_cannot_be_removed_stops_no_sweep(tmp_path: Path, monkeypatch):
    async with media_house(tmp_path) as house:
        await house.store.put_bytes(PNG)
        await house.clock.advance(2 * HOUR_S)

        def refuse(*args: object, **kwargs: object) -> None:
            raise PermissionError(errno.EPERM, "no")

        with monkeypatch.context() as patch:
            patch.setattr(media_files.os, "unlink", refuse)
            assert (await house.store.sweep()).items == 1
        assert len(house.files()) == 1  # the next start finds that nobody knows it
        again = await house.reopen()
        assert house.files() == []
        await again.aclose()


async def test_a_folder_that_is_no_folder_stops_the_start(tmp_path: Path):
    (tmp_path / "media").write_bytes(b"")
    with pytest.raises(Failed, match="media folder"):
        async with media_house(tmp_path):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
async def test_a_database_that_refuses_at_start_leaves_no_folder_open(tmp_path: Path, monkeypatch):
    async with media_house(tmp_path) as house:

        async def refuse(fn: object) -> None:
            raise Failed("busy")

        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - as the other count
        with monkeypatch.context() as patch:
            patch.setattr(house.database, "read", refuse)
            with pytest.raises(Failed, match="busy"):
                await house.reopen()
        # Another test's thread may have a file open at the moment.
        await until(lambda: len(os.listdir("/proc/self/fd")) <= before)  # noqa: PTH208 - as above


async def test_a_mistake_of_ours_is_raised_and_leaves_nothing(tmp_path: Path, monkeypatch):
    def broken(*args: object) -> None:
        raise ZeroDivisionError

    async with media_house(tmp_path) as house:
        monkeypatch.setattr("carapace.media.incoming.sniff", broken)
        with pytest.raises(ZeroDivisionError):
            await house.store.put_bytes(PNG)
        assert house.files() == []
