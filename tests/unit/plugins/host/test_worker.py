"""One process, one call at a time; what it cannot do in time or in order costs its life."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from carapace.clock import SystemClock
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.host.questions import Questions
from carapace.plugins.host.worker import GRACE_S, NotTaken, Worker, worker_environment
from carapace.plugins.ports import LoadedPlugin
from carapace.tasks import Tasks
from carapace.telemetry.metrics import Metrics
from support.descriptors import of_children
from support.plugin_house import a_plugin, sealed
from support.plugin_worker import COMMAND

pytestmark = pytest.mark.slow  # each starts a process


def fail(name: str, error: BaseException) -> None:
    raise AssertionError(name) from error


async def begin(
    tasks: Tasks,
    *,
    load: str = "ok",
    plugin: LoadedPlugin | None = None,
    timeout_s: float = 20.0,
    command: tuple[str, ...] = COMMAND,
) -> Worker:
    plugin = plugin or a_plugin()
    with sealed(f'{{"load": "{load}"}}'.encode()) as artifact:
        return await Worker.start(
            plugin,
            artifact.fd,
            Questions(plugin, clock=SystemClock(), metrics=Metrics("0", with_process=False)),
            tasks=tasks,
            timeout_s=timeout_s,
            command=command,
        )


@asynccontextmanager
async def running(plugin: LoadedPlugin | None = None) -> AsyncGenerator[Worker]:
    tasks = Tasks("test", fail)
    worker = await begin(tasks, plugin=plugin)
    try:
        yield worker
    finally:
        await worker.end()
        await tasks.close()


async def call(worker: Worker, function: str, *arguments: Any, timeout_s: float = 20.0) -> Any:
    return await worker.call("tool", function, arguments, timeout_s=timeout_s, instance="fresh")


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_values_go_there_and_back():
    values = ["text", 1.5, None, True, {"tag": "text", "value": "ü"}, ["a", ["b"]]]
    async with running() as worker:
        assert await call(worker, "echo", *values) == values
        assert await call(worker, "pid") == worker.pid


async def test_a_worker_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CARAPACE_GATEWAY_TOKEN", "canary")
    async with running() as worker:
        names, folder = await call(worker, "env")
    assert not {"CARAPACE_GATEWAY_TOKEN", "HOME", "PATH"} & set(names)
    assert folder == "/"


def test_only_harmless_variables_are_kept():
    ours = {"LANG": "C", "PATH": "/bin", "LD_PRELOAD": "x", "ANTHROPIC_API_KEY": "canary"}
    assert worker_environment(ours) == {"LANG": "C"}


async def test_the_err_arm_of_a_function_is_raised_with_all_its_fields():
    async with running() as worker:
        with pytest.raises(GuestError) as caught:
            await call(worker, "fail", "no-such-room")
        error = caught.value
        assert (error.code, error.retryable, error.retry_after_ms) == ("no-such-room", True, 7)
        assert await call(worker, "echo", 1) == [1]


@pytest.mark.parametrize("kind", ["memory", "stack", "crash", "output", "size"])
async def test_a_trap_of_the_guest_leaves_the_process_alive(kind: str):
    async with running() as worker:
        with pytest.raises(GuestTrap) as caught:
            await call(worker, "trap", kind)
        assert caught.value.kind == kind
        assert worker.is_alive
        assert await call(worker, "echo") == []


async def test_a_guest_that_is_stopped_in_time_costs_no_process():
    async with running() as worker:
        with pytest.raises(GuestTrap) as caught:
            await call(worker, "late", timeout_s=0.2)
        assert caught.value.kind == "deadline"
        assert worker.is_alive


async def test_a_stuck_process_is_killed_within_a_tenth_of_a_second_of_the_deadline():
    async with running() as worker:
        began = time.monotonic()
        with pytest.raises(GuestTrap) as caught:
            await call(worker, "spin", timeout_s=0.2)
        late_s = time.monotonic() - began - 0.2
        assert caught.value.kind == "deadline"
        assert late_s > GRACE_S - 0.005
        assert late_s < 1.0, "100 ms on a quiet machine"
        assert not worker.is_alive
        assert "still busy 0.2 s after" in await worker.ended()


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("crash", "SIGABRT"),
        ("quit", "code 3"),
        ("hang-up", "SIGKILL"),
        ("garbage", "nonsense"),
        ("flood", "nonsense: a frame of 4294967295 bytes"),
        ("out-of-turn", "nonsense: a message out of turn"),
        ("complain", "SIGABRT (thread panicked: out of luck)"),
    ],
)
async def test_a_process_that_ends_or_breaks_the_rules_is_lost_and_says_why(
    function: str, why: str
):
    async with running() as worker:
        with pytest.raises(GuestTrap) as caught:
            await call(worker, function)
        assert caught.value.kind == "lost"
        assert why in caught.value.text
        assert not worker.is_alive
        pid = worker.pid
        await worker.end()
        assert is_gone(pid)


async def test_a_killed_process_is_noticed_between_calls():
    async with running() as worker:
        os.kill(worker.pid, signal.SIGKILL)
        assert await worker.ended() == "its process ended with SIGKILL"
        assert not worker.is_alive


async def test_a_call_that_a_dead_process_never_read_is_known_not_to_have_been_taken():
    async with running() as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(refused_by(worker, "count"))
            await asyncio.sleep(0)
            os.kill(worker.pid, signal.SIGKILL)
        assert asking.result() == "its process ended with SIGKILL"


async def refused_by(worker: Worker, function: str) -> str:
    with pytest.raises(NotTaken) as caught:
        await call(worker, function)
    return str(caught.value)


async def test_a_loader_that_was_never_heard_is_lost(monkeypatch: pytest.MonkeyPatch):
    async def reset(self: Worker) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(Worker, "_receive", reset)
    tasks = Tasks("test", fail)
    with pytest.raises(GuestTrap) as caught:
        await begin(tasks)
    assert caught.value.kind == "lost"
    await tasks.close()


async def test_a_broken_off_call_leaves_no_half_answer_behind():
    async with running() as worker:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await call(worker, "spin")
        assert not worker.is_alive
        assert await worker.ended() == "a call was broken off"


async def test_a_guest_asks_and_is_answered():
    async with running() as worker:
        assert await call(worker, "ask", "kv", "get", ["a"]) == ["get", ["a"]]
        with pytest.raises(GuestError, match="there is no such key"):
            await call(worker, "ask", "kv", "fail", [])


async def test_questions_that_came_together_are_answered_in_order_and_others_have_their_turn():
    asked: list[str] = []
    turns: list[int] = []

    async def note(function: str, arguments: list[Any]) -> None:
        asked.append(function)

    async def live() -> None:
        while True:
            turns.append(len(asked))
            await asyncio.sleep(0)

    async with running(a_plugin(capabilities={"log": note})) as worker:
        living = asyncio.get_running_loop().create_task(live())
        assert await call(worker, "ask-ahead", "log", "emit", 100) == list(range(100))
        living.cancel()
    assert len(asked) == 100
    assert max(after - before for before, after in itertools.pairwise(turns)) <= 8


async def test_a_worker_that_asks_for_what_was_not_granted_is_none_any_more():
    async with running() as worker:
        with pytest.raises(GuestTrap, match="which was not granted"):
            await call(worker, "ask", "http", "fetch", [])
        assert not worker.is_alive


async def test_a_question_that_outlasts_the_call_is_broken_off_and_the_process_lives():
    cut: list[str] = []

    async def forever(function: str, arguments: list[Any]) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            cut.append(function)

    async with running(a_plugin(capabilities={"http": forever})) as worker:
        with pytest.raises(GuestTrap) as caught:
            await call(worker, "ask", "http", "fetch", [], timeout_s=0.2)
        assert caught.value.kind == "deadline"
        assert cut == ["fetch"]
        assert worker.is_alive, "the guest was stopped by its own deadline"
        assert await call(worker, "echo", 1) == [1]


async def test_an_answer_that_cannot_be_written_is_an_error_of_the_question():
    async def strange(function: str, arguments: list[Any]) -> Any:
        return {"huge": "x" * (33 << 20), "object": object(), "half": "\ud800"}[function]

    async with running(a_plugin(capabilities={"kv": strange})) as worker:
        for function, code in (("huge", "too-large"), ("object", "internal"), ("half", "internal")):
            with pytest.raises(GuestError) as caught:
                await call(worker, "ask", "kv", function, [])
            assert caught.value.code == code


@pytest.mark.parametrize("text", ["x" * (33 << 20), "\ud800"], ids=["huge", "half"])
async def test_arguments_that_cannot_be_sent_were_never_sent(text: str):
    async with running() as worker:
        with pytest.raises(PluginUnavailable, match="cannot be sent"):
            await call(worker, "echo", text)
        assert await call(worker, "echo", 1) == [1]


async def test_a_large_answer_arrives_whole_while_the_loop_goes_on():
    async with running() as worker:
        assert len(await call(worker, "big", 8_000_000)) == 8_000_000


async def test_what_a_guest_prints_is_logged_and_does_not_disturb_its_answer():
    async with running() as worker:
        assert await call(worker, "print", "hello") is None


async def test_a_refused_component_is_an_error_with_its_code_and_no_process_stays():
    tasks = Tasks("test", fail)
    with pytest.raises(GuestError) as caught:
        await begin(tasks, load="refuse")
    assert caught.value.code == "IMPORT_REFUSED"
    assert len(tasks) == 0
    await tasks.close()


@pytest.mark.parametrize("load", ["crash", "quit", "garbage"])
async def test_a_process_that_does_not_come_up_is_lost(load: str):
    tasks = Tasks("test", fail)
    with pytest.raises(GuestTrap) as caught:
        await begin(tasks, load=load)
    assert caught.value.kind == "lost"
    await tasks.close()


async def test_a_process_that_never_gets_ready_is_killed():
    tasks = Tasks("test", fail)
    with pytest.raises(GuestTrap) as caught:
        await begin(tasks, load="hang", timeout_s=0.3)
    assert caught.value.kind == "deadline"
    assert len(tasks) == 0
    await tasks.close()


async def test_a_command_that_is_not_there_is_told_as_such():
    tasks = Tasks("test", fail)
    with pytest.raises(GuestTrap, match="did not start: No such file"):
        await begin(tasks, command=("/nowhere/python",))
    await tasks.close()


async def test_an_end_that_is_broken_off_lets_go_of_the_socket():
    tasks = Tasks("test", fail)
    worker = await begin(tasks)
    ending = asyncio.get_running_loop().create_task(worker.end())
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert worker._sock.fileno() == -1
    assert await worker.ended() == "it was stopped"
    await tasks.drain(20.0)
    await tasks.close()


async def test_nothing_stays_open_after_the_end():
    before = of_children()
    async with running() as worker:
        await call(worker, "echo")
    await asyncio.sleep(0)
    assert not of_children() - before
