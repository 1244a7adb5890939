"""The child's own part, in this process."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from carapace.agent.understanding import worker
from carapace.agent.understanding.child import COMMAND
from carapace.agent.understanding.wire import Job, Reading, Unreadable, decode_answer, encode
from support.documents import pdf, wav


def test_each_kind_has_its_reader_and_its_bound():
    assert set(worker.MAX_MEMORY_BYTES) == {"pdf", "html", "speech"}
    told = worker.read(pdf("hello"), Job("pdf", max_chars=10, max_pages=1))
    assert told == Reading("hello", n_pages=1)
    told = worker.read(b"<title>T</title><p>hello", Job("html", max_chars=10))
    assert told == Reading("hello", title="T")
    told = worker.read("<p>é".encode("latin-1"), Job("html", max_chars=10, charset="latin-1"))
    assert told == Reading("é")


def test_what_cannot_be_read_is_passed_on():
    told = worker.read(b"nothing", Job("pdf", max_chars=10))
    assert isinstance(told, Unreadable)
    assert isinstance(worker.read(b"nothing", Job("speech", max_chars=10)), Unreadable)


def test_text_is_capped_and_can_be_written():
    told = worker.read(b"<p>&#xD83D;ab<p>" + b"x" * 100, Job("html", max_chars=10))
    assert isinstance(told, Reading)
    assert len(told.text) <= 10
    told.text.encode()


def test_too_little_memory_is_told(monkeypatch: pytest.MonkeyPatch):
    def greedy(data: bytes, job: Job) -> Reading:
        raise MemoryError

    monkeypatch.setitem(worker._READERS, "pdf", greedy)
    assert worker.read(b"", Job("pdf", max_chars=1)) == Unreadable("takes more memory than it may")


async def _run(job: Job, data: bytes, parent_pid: int) -> tuple[int | None, bytes]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        encode(job).decode(),
        str(parent_pid),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate(data)
    return process.returncode, out


@pytest.mark.slow
async def test_the_process_reads_one_thing_and_ends():
    code, out = await _run(Job("html", max_chars=100), b"<p>hello", os.getpid())
    assert code == 0
    assert decode_answer(out) == Reading("hello")


@pytest.mark.slow
async def test_the_process_will_not_run_without_its_parent():
    code, out = await _run(Job("html", max_chars=100), b"<p>hello", 1)
    assert code != 0
    assert out == b""


def test_main_confines_itself_before_it_reads(monkeypatch: pytest.MonkeyPatch):
    """In a child of our own, since it gives up rights for good."""
    steps: list[str] = []

    def refuse(parent_pid: int, **limits: int) -> None:
        steps.append(json.dumps({"pid": parent_pid, **limits}))
        raise ProcessLookupError("the gateway is gone")

    monkeypatch.setattr(worker, "confine", refuse)
    monkeypatch.setattr(sys, "argv", ["worker", encode(Job("pdf", max_chars=1)).decode(), "42"])
    with pytest.raises(ProcessLookupError):
        worker.main()
    assert json.loads(steps[0])["pid"] == 42
    assert json.loads(steps[0])["max_memory_bytes"] == worker.MAX_MEMORY_BYTES["pdf"]
    assert wav()
