"""The child compiles one component and is gone, whatever it was given."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from carapace.plugins.errors import PluginUnavailable
from carapace.plugins.host.compiling import Compiler
from support.descriptors import of_children
from support.plugin_compiler import COMMAND
from support.plugin_house import a_plugin, sealed

pytestmark = pytest.mark.slow  # each starts a process


async def compiled(wasm: bytes, compiler: Compiler | None = None) -> bytes:
    compiler = compiler or Compiler(COMMAND, timeout_s=20.0)
    with sealed(wasm) as source, await compiler.compile(a_plugin(), source) as made:
        return os.pread(made.fd, made.size_bytes, 0)


def children() -> set[str]:
    pid = os.getpid()
    return set(Path(f"/proc/self/task/{pid}/children").read_text().split())


async def test_the_child_gets_the_job_and_the_bytes_and_gives_code():
    code = await compiled(b"wasm" * 200_000)
    assert code.startswith(b"(('kv',), ('manifest', 'tool')) for wasmwasm")
    assert code.endswith(b"wasm" * 400_000)


@pytest.mark.parametrize(
    ("wasm", "why"),
    [
        (b"refuse", "it imports wasi:http"),
        (b"crash", "the compiler ended with SIGABRT"),
        (b"nonsense", "makes no sense"),
        (b"wordy", "makes no sense"),
        (b"short", "the compiler ended with code 0"),
        (b"huge", "longer than 256 MiB"),
    ],
)
async def test_what_cannot_be_compiled_is_told_and_leaves_nothing(wasm: bytes, why: str):
    before = of_children(), children()
    with pytest.raises(PluginUnavailable, match=why) as caught:
        await compiled(wasm)
    assert not caught.value.retryable
    await asyncio.sleep(0)
    assert not of_children() - before[0]
    assert children() == before[1]


async def test_one_that_takes_too_long_is_ended():
    before = children()
    with pytest.raises(PluginUnavailable, match=r"more than 0\.2 s"):
        await compiled(b"hang", Compiler(COMMAND, timeout_s=0.2))
    assert children() == before


async def test_a_caller_in_a_hurry_leaves_no_process_behind():
    before = children()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await compiled(b"hang")
    assert children() == before


async def test_a_compiler_that_is_not_there_is_told():
    with pytest.raises(PluginUnavailable, match="No such file"):
        await compiled(b"x", Compiler(("/nowhere/python",)))


async def test_components_are_compiled_one_after_the_other():
    compiler = Compiler(COMMAND, timeout_s=20.0)
    most = 0

    async def watched(n: int) -> None:
        nonlocal most
        await compiled(b"%d" % n, compiler)
        most = max(most, len(children()))

    before = len(children())
    async with asyncio.TaskGroup() as group:
        for n in range(3):
            group.create_task(watched(n))
    assert most - before <= 1
