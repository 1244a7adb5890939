from __future__ import annotations

import pytest

from carapace.agent.providers.local_keeper import LocalState, WorkerKeeper
from carapace.agent.providers.ports import ProviderError, ProviderFault
from carapace.agent.weights.library import Library
from carapace.config.settings.models import EmbeddedSettings
from support.clock import FakeClock
from support.local_worker import COMMAND

pytestmark = pytest.mark.slow


class Bench:
    def __init__(self, tmp_path, command=COMMAND):
        self.path = tmp_path / "own.gguf"
        self.path.write_bytes(b"GGUF")
        self.clock = FakeClock()
        self.states: list[LocalState] = []
        self.keeper = WorkerKeeper(
            self.settings(),
            Library(tmp_path / "models"),
            clock=self.clock,
            command=command,
            on_state=lambda state, _name: self.states.append(state),
        )

    def settings(self, **changes):
        return EmbeddedSettings(model=str(self.path), context_tokens=512, threads=1, **changes)


@pytest.fixture
async def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    await made.keeper.close()


async def test_one_process_serves_until_the_settings_want_another(bench):
    first = await bench.keeper.ready("")
    assert await bench.keeper.ready("") is first
    assert bench.keeper.pid == first.pid
    bench.keeper.apply(EmbeddedSettings(model=str(bench.path), context_tokens=1024, threads=1))
    second = await bench.keeper.ready("")
    assert second.pid != first.pid
    assert not first.is_alive
    off, loading, ready = LocalState.OFF, LocalState.LOADING, LocalState.READY
    assert bench.states == [loading, ready, off, loading, ready]


async def test_it_is_let_go_when_idle_and_not_before(bench):
    await bench.keeper.ready("")
    await bench.clock.advance(300)
    bench.keeper.used()
    await bench.clock.advance(590)
    assert bench.keeper.state is LocalState.READY
    async with bench.keeper.lock:
        await bench.clock.advance(60)
    assert bench.keeper.state is LocalState.READY
    worker = bench.keeper._worker
    await bench.clock.advance(15)
    await worker._process.wait()
    assert bench.keeper.pid is None


async def test_zero_minutes_keep_it_for_ever(bench):
    bench.keeper.apply(bench.settings(idle_unload_minutes=0))
    await bench.keeper.ready("")
    await bench.clock.advance(100_000)
    assert bench.keeper.pid is not None


async def test_after_crashes_the_next_start_waits(bench):
    await bench.keeper.ready("")
    bench.keeper.crashed()
    await bench.keeper.ready("")
    bench.keeper.crashed()
    with pytest.raises(ProviderError, match="2 times in a row") as caught:
        await bench.keeper.ready("")
    assert caught.value.retry_after_s == 2
    await bench.clock.advance(2)
    await bench.keeper.ready("")
    bench.keeper.succeeded()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"GGUF no engine", r"pip install \"carapace-gateway\[local\]\""),
        (b"GGUF broken", "cannot be loaded: cannot load"),
        (b"GGUF dies", "did not start"),
    ],
)
async def test_what_cannot_start_says_why(bench, content, text):
    bench.path.write_bytes(content)
    with pytest.raises(ProviderError, match=text) as caught:
        await bench.keeper.ready("")
    assert caught.value.fault is ProviderFault.UNREACHABLE
    assert bench.keeper.state is LocalState.OFF


async def test_a_command_that_does_not_exist_says_so(tmp_path):
    bench = Bench(tmp_path, command=("/no/such/python",))
    with pytest.raises(ProviderError, match="did not start"):
        await bench.keeper.ready("")
    await bench.keeper.close()
