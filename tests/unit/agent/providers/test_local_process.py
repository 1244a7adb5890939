from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import pytest

from carapace.agent.providers.local_process import (
    WorkerDied,
    WorkerFault,
    WorkerProcess,
)
from carapace.agent.providers.local_wire import ChatMessage, Delta, Done, Generate, Start
from carapace.tasks import Tasks
from support.local_worker import COMMAND

pytestmark = pytest.mark.slow


@pytest.fixture
async def tasks():
    failed: list[str] = []
    owner = Tasks("test", lambda name, _error: failed.append(name))
    yield owner
    await owner.close()
    assert failed == []


@pytest.fixture
async def start(tmp_path, tasks):
    running: list[WorkerProcess] = []

    async def run(content=b"GGUF", load_timeout_s=20.0, command=COMMAND):
        path = tmp_path / "m.gguf"
        path.write_bytes(content)
        message = Start(str(path), 512, 1)
        worker = await WorkerProcess.start(
            command, message, tasks=tasks, load_timeout_s=load_timeout_s
        )
        running.append(worker)
        return worker

    yield run
    for worker in running:
        await worker.close()


def ask(text, number=1, most=50):
    return Generate(number, (ChatMessage("user", text),), most, 0.0)


async def answer(worker, request, silence_s=20.0):
    messages = []
    stream = worker.generate(request, silence_timeout_s=silence_s)
    async with contextlib.aclosing(stream) as answers:
        async for message in answers:
            messages.append(message)  # noqa: PERF401 - what came before an error counts too
    return messages


async def test_answers_come_one_after_the_other(start):
    worker = await start()
    assert worker.load_ms >= 0
    for number in (1, 2):
        assert await answer(worker, ask("echo: a b", number)) == [
            Delta(number, "a "),
            Delta(number, "b "),
            Done(number, "stop", 7, 2, 2),
        ]
    await worker.close()
    assert not worker.is_alive


async def test_closing_the_stream_cancels_and_the_next_answer_is_clean(start):
    worker = await start()
    stream = worker.generate(ask("hang"), silence_timeout_s=20)
    assert await anext(stream) == Delta(1, "on ")
    await stream.aclose()
    assert (await answer(worker, ask("echo: x", 2)))[0] == Delta(2, "x ")
    await worker.close()


@pytest.mark.parametrize(("content", "kind"), [(b"no engine", "engine"), (b"broken", "load")])
async def test_loading_faults_are_told(start, content, kind):
    with pytest.raises(WorkerFault) as caught:
        await start(content)
    assert caught.value.fault.kind == kind


async def test_a_death_while_loading_carries_the_last_words(start):
    with pytest.raises(WorkerDied, match="code 9"):
        await start(b"dies")


async def test_loading_has_a_deadline(start):
    with pytest.raises(WorkerDied, match="not loaded"):
        await start(b"slow", load_timeout_s=0.5)


async def test_faults_of_an_answer_leave_the_worker_alive(start):
    worker = await start()
    with pytest.raises(WorkerFault, match="exceeds 512"):
        await answer(worker, ask("long"))
    with pytest.raises(WorkerFault, match="kernel panic"):
        await answer(worker, ask("fail", 2))
    assert len(await answer(worker, ask("echo: x", 3))) == 2
    await worker.close()


async def test_a_crash_names_its_signal(start):
    worker = await start()
    with pytest.raises(WorkerDied, match="SIGABRT"):
        await answer(worker, ask("crash"))
    assert not worker.is_alive
    with pytest.raises(WorkerDied):
        await answer(worker, ask("echo: x", 2))


async def test_nonsense_and_silence_end_the_process(start):
    worker = await start()
    with pytest.raises(WorkerDied, match="unreadable"):
        await answer(worker, ask("garbage"))
    worker = await start()
    with pytest.raises(WorkerDied, match="silent"):
        await answer(worker, ask("silent"), silence_s=0.2)


async def test_it_dies_with_its_gateway(start):
    """The child of a killed parent is gone, though nobody closed its pipes."""
    script = (
        "import subprocess, sys, os, time\n"
        "p = subprocess.Popen([*sys.argv[1:], str(os.getpid())], stdin=subprocess.PIPE)\n"
        "print(p.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        *COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    async with asyncio.timeout(10):
        while _is_running(pid):  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(0.01)


def _is_running(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
