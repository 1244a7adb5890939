"""`SqliteDatabase`: opened safely, closed cleanly, honest about deadlines."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

import carapace.store.sqlite as sqlite_module
from carapace.store.errors import DatabaseBusy, DatabaseDamaged, StateLocked, WriteUnknown
from carapace.store.migrate import Migration
from carapace.store.ports import Tx
from carapace.store.sqlite import SqliteDatabase
from support.clock import FakeClock
from support.database import damage, memory_database


def put(tx: Tx) -> int:
    return tx.execute("INSERT INTO t VALUES (1)")


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


ONE = (Migration(1, "0001_pre_t.sql", "CREATE TABLE t (a INTEGER) STRICT;"),)


async def test_a_second_gateway_is_refused_and_the_first_goes_on(tmp_path: Path):
    path = tmp_path / "carapace.db"
    first = await SqliteDatabase.open(path, migrations=ONE)
    with pytest.raises(StateLocked, match="in use by process"):
        await SqliteDatabase.open(path, migrations=ONE)
    assert await first.write(put) == 1
    await first.close()


async def test_a_failed_start_lets_the_lock_go(tmp_path: Path):
    path = tmp_path / "carapace.db"
    path.write_bytes(b"no database" * 500)
    for _ in range(2):
        with pytest.raises(DatabaseDamaged):
            await SqliteDatabase.open(path)


async def test_a_damaged_file_stops_the_start(tmp_path: Path):
    path = tmp_path / "carapace.db"
    database = await SqliteDatabase.open(path, migrations=ONE)
    await database.write(
        lambda tx: [tx.execute("INSERT INTO t VALUES (?)", (one,)) for one in range(5000)]
    )
    await database.close()
    damage(path)
    with pytest.raises(DatabaseDamaged, match="newest backup"):
        await SqliteDatabase.open(path, migrations=ONE)


async def test_close_leaves_one_file_without_a_log(tmp_path: Path):
    path = tmp_path / "carapace.db"
    database = await SqliteDatabase.open(path, migrations=ONE, clock=FakeClock())
    assert database.applied == ONE
    await database.write(put)
    assert database.waiting_writes == 0
    await database.close()
    await database.close()
    assert names(tmp_path) == {"carapace.db", "carapace.db.lock"}
    again = await SqliteDatabase.open(path, migrations=ONE)
    assert again.applied == ()
    await again.close()


async def test_a_checkpoint_that_fails_at_close_is_only_logged(tmp_path: Path):
    path = tmp_path / "carapace.db"
    database = await SqliteDatabase.open(path, migrations=ONE)
    database._connection.close()
    await database.close()
    again = await SqliteDatabase.open(path, migrations=ONE)  # the lock was released
    await again.close()


async def test_deadlines_say_what_is_known(tmp_path: Path):
    release = threading.Event()
    database = await SqliteDatabase.open(
        tmp_path / "carapace.db", migrations=ONE, deadline_s=0.02, reader_count=1
    )
    with pytest.raises(DatabaseBusy, match=r"within 0\.02 s"):
        await database.read(lambda _: release.wait(10))
    with pytest.raises(WriteUnknown, match="may or may not"):
        await database.write(lambda _: release.wait(10))
    release.set()
    await database.close()


class Lines:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str]] = []

    def warning(self, event: str, **fields: object) -> None:
        self.kept.append((event, str(fields["function"])))


async def test_slow_work_is_logged_with_its_functions_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lines = Lines()
    monkeypatch.setattr(sqlite_module, "log", lines)
    database = await SqliteDatabase.open(tmp_path / "carapace.db", migrations=ONE, slow_s=-1.0)
    await database.write(put)
    await database.close()
    assert lines.kept == [("slow database work", "put"), ("slow database work", "commit")]


async def test_backup_and_full_check_run_beside_writes(tmp_path: Path):
    async with memory_database() as database:
        async with asyncio.TaskGroup() as group:
            copying = group.create_task(database.backup(tmp_path / "copy.db"))
            checking = group.create_task(database.integrity())
            for number in range(20):
                await database.write(
                    lambda tx, number=number: (
                        tx.execute("CREATE TABLE IF NOT EXISTS t (a INTEGER) STRICT") + number
                    )
                )
        assert copying.done()
        assert checking.result().problems == ()
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


KILLED = """
import asyncio, sys
from pathlib import Path
from carapace.store.migrate import Migration
from carapace.store.sqlite import SqliteDatabase

ONE = (Migration(1, "0001_pre_t.sql", "CREATE TABLE t (a INTEGER) STRICT;"),)

async def main():
    database = await SqliteDatabase.open(Path(sys.argv[1]), migrations=ONE)
    async def write(start):
        for number in range(start, 10**9, 8):
            await database.write(lambda tx: tx.execute("INSERT INTO t VALUES (?)", (number,)))
            print(number, flush=True)
    async with asyncio.TaskGroup() as group:
        for start in range(8):
            group.create_task(write(start))

asyncio.run(main())
"""


def _killed_in_the_middle(path: Path) -> set[int]:
    """Numbers a child process said were stored before it was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        acknowledged = {int(child.stdout.readline()) for _ in range(200)}
        child.send_signal(signal.SIGKILL)
        return acknowledged | {int(line) for line in child.stdout if line.endswith("\n")}


@pytest.mark.slow
async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path):
    path = tmp_path / "carapace.db"
    acknowledged = await asyncio.to_thread(_killed_in_the_middle, path)
    database = await SqliteDatabase.open(path, migrations=ONE)
    stored = {row[0] for row in await database.read(lambda tx: tx.all("SELECT a FROM t"))}
    assert acknowledged <= stored
    assert (await database.integrity()).problems == ()
    await database.close()
