"""Children see no secret of ours, and end when they are told to."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carapace.agent import child_process
from carapace.agent.child_process import ROOT, close, kill, kill_group, reap, worker_environment

OBEDIENT = "import sys; print('up', flush=True); sys.stdin.read()"
BABBLING = "import sys; print('up', flush=True); print('x' * 999_999); sys.stdin.read()"
DEAF = "import time; print('up', flush=True); time.sleep(600)"


@asynccontextmanager
async def child(program: str) -> AsyncGenerator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", program, stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 20)
        yield process
    finally:
        kill(process)
        process.stdin.close()
        await process.stdout.read()
        await process.wait()


def test_the_child_sees_no_secret():
    seen = worker_environment({"PATH": "/bin", "OPENAI_API_KEY": "s", "HOME": "/root"})
    assert seen == {"PATH": "/bin", "OMP_WAIT_POLICY": "passive"}


def test_it_works_where_nothing_is_in_its_way():
    assert Path(ROOT).parent == Path(ROOT)


@pytest.mark.slow
async def test_a_child_that_listens_ends_with_its_input():
    async with child(OBEDIENT) as process:
        assert process.stdin is not None
        await close(process, process.stdin)
        assert process.returncode == 0


@pytest.mark.slow
async def test_a_child_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(child_process, "_CLOSE_TIMEOUT_S", 0.5)
    async with child(DEAF) as process:
        assert process.stdin is not None
        await close(process, process.stdin)
        assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
async def test_one_that_said_more_than_anybody_read_ends_with_its_input():
    async with child(BABBLING) as process:
        assert process.stdin is not None
        await close(process, process.stdin)
        assert process.returncode == 0


@pytest.mark.slow
async def test_what_another_reads_is_left_to_it():
    async with child(BABBLING) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        rest = asyncio.create_task(process.stdout.read())
        await asyncio.sleep(0)
        await close(process, process.stdin)
        assert process.returncode == 0
        assert len(await rest) == 1_000_000


@pytest.mark.slow
async def test_one_that_has_ended_is_left_alone():
    async with child(DEAF) as process:
        kill(process)
        kill(process)
        assert await process.wait() == -signal.SIGKILL
        kill(process)


@pytest.mark.slow
async def test_a_killed_group_is_gone_with_what_it_still_had_to_say():
    script = "cat /dev/zero & cat /dev/zero & wait"
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", script, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert await process.stdout.read(10)
    kill_group(process)
    await reap(process)
    assert process.returncode == -signal.SIGKILL
    kill_group(process)


@pytest.mark.slow
async def test_a_grandchild_that_keeps_a_pipe_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(child_process, "_CLOSE_TIMEOUT_S", 0.2)
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", "sleep 60 & echo $!", stdout=PIPE, start_new_session=True
    )
    assert process.stdout is not None
    await process.stdout.readline()
    await reap(process)
    kill_group(process)
    monkeypatch.undo()
    await reap(process)
    assert process.returncode == 0
