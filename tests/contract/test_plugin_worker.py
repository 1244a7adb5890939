"""The fake worker does what the real one does, as far as the host can tell."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.ports import RunPhase
from support.plugin_actions import Actor, FakeActor, RealActor
from support.polling import until

pytestmark = pytest.mark.slow  # each starts processes


@pytest.fixture(params=["fake", "real"])
async def actor(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Actor]:
    if request.param == "real":
        pytest.importorskip("wasmtime")
    made: Actor = FakeActor(tmp_path) if request.param == "fake" else RealActor(tmp_path)
    try:
        yield made
    finally:
        await made.host.aclose()


@pytest.fixture
async def real(tmp_path: Path) -> AsyncGenerator[RealActor]:
    pytest.importorskip("wasmtime")
    made = RealActor(tmp_path)
    try:
        yield made
    finally:
        await made.host.aclose()


async def test_text_comes_back_as_it_went(actor: Actor):
    for text in ("", "plain", "ü \U0001f980 \x00", "x" * 1_000_000):
        assert await actor.do("echo", text) == text


async def test_a_fresh_instance_knows_nothing_of_the_call_before(actor: Actor):
    assert [await actor.do("count") for _ in range(3)] == ["1", "1", "1"]


async def test_the_err_arm_is_raised_and_the_plugin_goes_on(actor: Actor):
    for _ in range(2):
        with pytest.raises(GuestError) as caught:
            await actor.do("error")
        error = caught.value
        assert error.code == "NO"
        assert error.retryable
        assert error.retry_after_ms is not None


async def test_a_guest_that_breaks_down_is_trapped_without_losing_its_process(actor: Actor):
    for _ in range(2):
        with pytest.raises(GuestTrap) as caught:
            await actor.do("crash")
        assert caught.value.kind == "crash"


async def test_a_guest_without_end_is_stopped_at_its_deadline(actor: Actor):
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(GuestTrap) as caught:
            await actor.do("spin", timeout_s=0.5)
        assert caught.value.kind == "deadline"
        assert time.monotonic() - began > 0.45


async def test_what_a_guest_asks_reaches_its_capability(actor: Actor):
    assert await actor.do("log", "be careful") == ""
    assert actor.notes.noted == [("emit", ["warn", "be careful"])]


async def test_what_a_guest_prints_does_not_disturb_its_answer(actor: Actor):
    assert await actor.do("print", "hello") == ""


async def test_a_worker_that_is_killed_is_replaced(real: RealActor):
    assert await real.do("echo", "a") == "a"
    first = real.host.state("echo")
    assert first.pid is not None
    os.kill(first.pid, 9)
    await until(lambda: real.host.state("echo").restarts == 1, deadline_s=20.0)
    assert await real.do("echo", "b") == "b"
    assert real.host.state("echo").generation > first.generation


async def test_the_second_start_takes_the_code_from_the_cache(real: RealActor):
    await real.do("echo", "a")
    await real.host.stop("echo")
    kept = list((real.folder / "cache").iterdir())
    assert len(kept) == 1
    before = kept[0].stat().st_ino
    began = time.monotonic()
    await real.host.start(real.plugin("echo"))
    print(f"warm start {1000 * (time.monotonic() - began):.0f} ms")
    assert await real.do("echo", "b") == "b"
    assert [path.stat().st_ino for path in (real.folder / "cache").iterdir()] == [before]
    assert real.house.trail.lines() == []


async def test_code_in_the_cache_that_was_changed_is_not_run_but_made_anew(real: RealActor):
    await real.do("echo", "a")
    await real.host.stop("echo")
    (path,) = (real.folder / "cache").iterdir()
    good = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(good[:5_000] + bytes([good[5_000] ^ 1]) + good[5_001:])
    path.chmod(0o400)
    await real.host.start(real.plugin("echo"))
    assert await real.do("echo", "b") == "b"
    assert [line["kind"] for line in real.house.trail.lines()] == ["plugin.cache_refused"]
    assert path.read_bytes() == good


async def test_an_import_that_was_not_granted_is_refused_before_anything_runs(real: RealActor):
    with pytest.raises(PluginUnavailable, match="wasi:http"):
        await real.do("http")
    assert real.host.state("http").phase is RunPhase.STOPPED
    assert real.house.trail.lines()[0]["kind"] == "plugin.refused"


async def test_an_export_that_is_missing_is_refused(real: RealActor):
    await real.do("echo")
    plugin = real.plugin("echo")
    lacking = dataclasses.replace(plugin, id="lacking", roles=frozenset({"tool", "webhook"}))
    with pytest.raises(PluginUnavailable, match="webhook"):
        await real.host.start(lacking)


async def test_a_hundred_calls_over_ten_plugins(real: RealActor):
    plugin = real.plugin("echo")
    for n in range(10):
        await real.host.start(dataclasses.replace(plugin, id=f"echo-{n}"))
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(real.host.call(f"echo-{n % 10}", "tool", "invoke", "any", str(n)))
            for n in range(100)
        ]
    print(f"100 calls in {1000 * (time.monotonic() - began):.0f} ms")
    assert [call.result() for call in calls] == [str(n) for n in range(100)]


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("spin", "deadline"),
        ("sleep", "deadline"),
        ("waits", "memory"),
        ("hang", "deadline"),
        ("recurse", "stack"),
        ("flood", "output"),
        ("huge", "size"),
        ("beyond", "crash"),
    ],
)
async def test_no_hazard_outlives_its_limit_or_disturbs_a_sibling(
    real: RealActor, action: str, kind: str
):
    await real.do("echo", "ready")
    await real.host.start(real.plugin(action))
    stopped_s = 0.0

    async def meet_it() -> str:
        nonlocal stopped_s
        began = time.monotonic()
        with pytest.raises(GuestTrap) as caught:
            await real.do(action, "x", timeout_s=0.5)
        stopped_s = time.monotonic() - began
        return caught.value.kind

    async with asyncio.TaskGroup() as group:
        hazard = group.create_task(meet_it())
        siblings = 0
        while not hazard.done():
            assert await real.do("echo", "sibling", timeout_s=20.0) == "sibling"
            siblings += 1
    print(f"{action}: stopped after {1000 * stopped_s:.0f} ms, sibling served {siblings} calls")
    assert hazard.result() == kind
    assert stopped_s < 5.0, "0.6 on a quiet machine"
    assert real.host.state("echo").restarts == 0


async def test_a_guest_that_wants_a_gigabyte_is_told_no_and_goes_on(real: RealActor):
    for _ in range(2):
        with pytest.raises(GuestError, match="said no"):
            await real.do("allocate")
    assert real.host.state("allocate").restarts == 0
