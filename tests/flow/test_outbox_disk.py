"""The outbox on a disk that is full and on one whose fsync fails."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from carapace.channels.outbox.types import OutboxState
from carapace.errors import Failed
from carapace.store.sqlite import SqliteDatabase
from support.counting_peer import Behaviour, counting_peer
from support.outbox import sending_house
from support.polling import until
from support.small_disk import small_disk

TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, size_mb=4) as disk:
        yield disk


@pytest.mark.slow
async def test_a_full_disk_loses_nothing_that_was_accepted(disk: Path):
    async with sending_house(folder=disk) as house:
        house.start()
        held = await house.put("held")
        await house.ended(held)
        house.account.hold()
        in_flight = await house.put("in flight", "two")
        await house.account.sent_at_least(2)
        ballast = disk / "ballast"
        ballast.write_bytes(b"\0" * 1_500_000)
        accepted = await _fill(house)
        _fill_up(ballast)
        house.account.release()
        await until(lambda: house.sender.check() is not None, deadline_s=20)
        assert house.sender.in_flight >= 1
        ballast.unlink()
        await house.ended(in_flight, *accepted)
        texts = house.account.texts()
        assert sorted(texts) == sorted(set(texts))
        assert len(texts) == 2 + len(accepted)
        assert (await house.row(in_flight)).state is OutboxState.DELIVERED
        await house.put("afterwards")


async def _fill(house) -> list[int]:
    """Put messages until the disk takes no more; the ids of those that it took."""
    accepted: list[int] = []
    for number in range(2_000):
        try:
            accepted.append(await house.put(f"{number} {'x' * 4_000}", f"c{number % 50}"))
        except Failed:
            return accepted
    raise AssertionError("the disk was never full")


def _fill_up(ballast: Path) -> None:
    """Take the last free pages."""
    with ballast.open("ab", buffering=0) as file:
        try:
            while file.write(b"\0" * 4_096):
                pass
        except OSError:
            return


@pytest.mark.slow
@pytest.mark.parametrize("call", ["fdatasync", "fsync,fdatasync"])
async def test_a_disk_that_does_not_confirm_costs_no_message_and_no_copy(tmp_path: Path, call: str):
    """Every fifth sync fails with EIO; what was acknowledged arrives, and nothing twice."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("NOT CHECKED: failing fsync needs strace")
    # The schema is made before the faults begin.
    await (await SqliteDatabase.open(tmp_path / "carapace.db")).close()
    with counting_peer() as peer:
        keys = {f"c{number % 5}-{number:03}" for number in range(60)}
        acknowledged = await _talk(strace, call, tmp_path, peer.port, sorted(keys))
        assert acknowledged
        assert "(INJECTED)" in (tmp_path / "trace").read_text()
        assert peer.requests[Behaviour.OK] >= len(acknowledged)
        ledger = peer.ledger(acknowledged)
        print(f"{call}: {ledger}")
        assert (ledger.lost, ledger.unmarked) == ((), ())
        assert set(ledger.strange) <= keys


async def _talk(strace: str, call: str, folder: Path, port: int, keys: list[str]) -> set[str]:
    """Run the sender under faults; the keys that it acknowledged."""
    child = await asyncio.create_subprocess_exec(
        strace, "-f", "-qq", "-o", str(folder / "trace"), "-e", f"trace={call}",
        "-e", f"inject={call}:error=EIO:when=20+5",
        sys.executable, "-m", "support.sending_child", str(folder), str(port),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(TESTS)},
        start_new_session=True,
    )  # fmt: skip
    acknowledged: set[str] = set()
    try:
        await _put_all(child, folder, keys, acknowledged)
    finally:
        # The tracer and what it traces.
        os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
    return acknowledged


async def _put_all(
    child: asyncio.subprocess.Process, folder: Path, keys: list[str], acknowledged: set[str]
) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    async with asyncio.timeout(60):
        first = await child.stdout.readline()
        if first != b"up\n":
            pytest.skip("NOT CHECKED: strace may not trace here")
        for key in keys:
            child.stdin.write(f"{key} {key.partition('-')[0]}\n".encode())
            answer = (await child.stdout.readline()).decode().split()
            assert answer[1:] == [key], answer
            if answer[0] == "ok":
                acknowledged.add(key)
        await _quiet(folder, len(acknowledged))


async def _quiet(folder: Path, count: int) -> None:
    """Until the sender had time to finish: what it acknowledged is delivered."""

    def delivered() -> int:
        connection = sqlite3.connect(f"file:{folder / 'carapace.db'}?mode=ro", uri=True)
        try:
            sql = "SELECT count(*) FROM outbox WHERE state = 'delivered'"
            return connection.execute(sql).fetchone()[0]
        finally:
            connection.close()

    await until(lambda: delivered() >= count, deadline_s=20)
