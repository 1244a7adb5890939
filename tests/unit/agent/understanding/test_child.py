"""The child and its runner, with real processes."""

from __future__ import annotations

import asyncio
import os
import sys
import zlib
from pathlib import Path

import pytest

from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.ports import NotUnderstood
from carapace.agent.understanding.wire import Job, Reading
from support.documents import pdf
from support.polling import until

JOB = Job("html", max_chars=1_000)
pytestmark = pytest.mark.slow


def script(body: str) -> ChildReader:
    """A child that does what `body` says; `argv` is the job and our process id."""
    return ChildReader((sys.executable, "-S", "-c", f"import os, sys, time\n{body}"))


async def refused(reader: ChildReader, data: bytes = b"", timeout_s: float = 10.0) -> NotUnderstood:
    with pytest.raises(NotUnderstood) as caught:
        await reader.read(data, JOB, timeout_s=timeout_s)
    return caught.value


async def test_pages_and_documents_are_read():
    reader = ChildReader()
    assert await reader.read(b"<p>hello", JOB, timeout_s=30.0) == Reading("hello")
    job = Job("pdf", max_chars=100, max_pages=3)
    assert await reader.read(pdf("one"), job, timeout_s=30.0) == Reading("one", n_pages=1)


async def test_what_the_child_refuses_is_told():
    with pytest.raises(NotUnderstood, match="is broken") as caught:
        await ChildReader().read(b"nothing", Job("pdf", max_chars=10), timeout_s=30.0)
    assert caught.value.outcome == "refused"


async def test_what_is_not_installed_is_told_apart():
    answer = '{"type":"unreadable","reason":"needs more","is_missing":true}'
    error = await refused(script(f"print('{answer}')"))
    assert (error.message, error.outcome) == ("needs more", "missing")


async def test_a_child_that_is_late_is_ended(tmp_path: Path):
    note = tmp_path / "pid"
    body = f"open({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    error = await refused(script(body), timeout_s=1.5)
    assert error.outcome == "timeout"
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


async def test_a_child_that_dies_or_babbles_is_told():
    for body in ("os.kill(os.getpid(), 9)", "print('no json')", "sys.exit(3)", "print('{}')"):
        assert "ended early" in (await refused(script(body))).message


async def test_a_flood_is_stopped():
    error = await refused(script("while True: os.write(1, b'x' * 65536)"))
    assert "ended early" in error.message


async def test_a_flood_that_nobody_reads_to_its_end_holds_nobody_up():
    """Of a wide pipe more comes in than is taken: asyncio stops reading, and sees no end of it."""
    body = "import fcntl\nfcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1_000_000)\n"
    error = await refused(script(f"{body}while True: os.write(1, bytes(1_000_000))"))
    assert "ended early" in error.message


async def test_a_child_that_does_not_listen_still_answers():
    answer = '{"type":"reading","text":"done"}'
    reader = script(f"os.close(0); print('{answer}')")
    assert await reader.read(bytes(2_000_000), JOB, timeout_s=10.0) == Reading("done")


async def test_a_command_that_is_not_there_is_told():
    error = await refused(ChildReader(("/no/such/program",)))
    assert "No such file" in error.message


async def test_the_child_sees_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-secret")
    body = (
        "import json\n"
        "print(json.dumps({'type': 'reading', 'text': ' '.join(sorted(os.environ.values()))}))"
    )
    told = await script(body).read(b"", JOB, timeout_s=10.0)
    assert "sk-planted-secret" not in told.text


async def test_only_so_many_run_at_once(tmp_path: Path):
    body = (
        f"folder = {str(tmp_path)!r}\n"
        "open(f'{folder}/{os.getpid()}', 'w').close()\n"
        "n = len(os.listdir(folder))\n"
        "time.sleep(0.2)\n"
        "os.unlink(f'{folder}/{os.getpid()}')\n"
        'print(\'{"type":"reading","text":"%d"}\' % n)'
    )
    reader = script(body)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(reader.read(b"", JOB, timeout_s=20.0)) for _ in range(4)]
    assert max(int(task.result().text) for task in tasks) <= 2


async def test_a_caller_who_goes_away_leaves_no_process(tmp_path: Path):
    note = tmp_path / "pid"
    body = f"open({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    task = asyncio.create_task(script(body).read(b"", JOB, timeout_s=30.0))
    await until(lambda: note.exists() and note.read_text(), deadline_s=10.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


async def test_a_document_that_unpacks_without_end_costs_only_its_child():
    packer = zlib.compressobj(9)
    zeros = bytes(1_000_000)
    bomb = b"".join(packer.compress(zeros) for _ in range(300)) + packer.flush()
    data = pdf("x")
    start, end = data.index(b"<< /Length"), data.index(b"endstream")
    head = f"<< /Filter /FlateDecode /Length {len(bomb)} >>\nstream\n".encode()
    bombed = data[:start] + head + bomb + b"\n" + data[end:]
    with pytest.raises(NotUnderstood):
        await ChildReader().read(bombed, Job("pdf", max_chars=100), timeout_s=60.0)
