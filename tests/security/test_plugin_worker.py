"""What a Python plugin finds around it, and what stops it; seen from outside its process."""

from __future__ import annotations

import json
import platform
import socket
import sys
import time
from collections.abc import Generator
from typing import Any

import pytest

from carapace.plugins.errors import TrapKind
from carapace.plugins.frames import Answer, Fault, HostCall, Result
from support.guests import built_guest
from support.wasm_worker import WasmWorker, wasm_worker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX"),
]

SLACK_S = 0.1


@pytest.fixture(scope="module", name="worker")
def one_worker() -> Generator[WasmWorker]:
    """One process for all: what a test does to it must not matter to the next."""
    code = built_guest("python", is_compiled=True)
    with wasm_worker(code, grants=("log", "kv", "poll"), exports=("manifest", "tool")) as worker:
        yield worker


def tool(worker: WasmWorker, name: str, /, *, deadline_ms: int = 20_000, **given: Any) -> Result:
    return worker.invoke(name, json.dumps(given), deadline_ms=deadline_ms)


def works(worker: WasmWorker) -> None:
    assert tool(worker, "echo", a=1).ok == '{"a": 1}'


def test_it_says_what_it_is(worker: WasmWorker):
    assert worker.call("manifest", "describe").ok == {"id": "python-guest", "version": "1.0.0"}
    (definition,) = worker.call("tool", "definitions").ok
    assert definition == {
        "name": "echo",
        "description": "Give it back.",
        "schema": "{}",
        "risk": "read",
    }


def test_it_finds_no_environment_no_file_and_no_network(worker: WasmWorker):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        result = tool(worker, "surroundings", host="127.0.0.1", port=listener.getsockname()[1])
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert result.trap is None, worker.printed
    seen = json.loads(result.ok)
    assert seen.pop("environ") == {}
    assert seen.pop("argv") == [] or all("/" not in one for one in seen.get("argv", []))
    for what, found in seen.items():
        assert isinstance(found, str), (what, found)
        assert found.endswith("Error"), (what, found)


@pytest.mark.parametrize(
    ("name", "given", "kind"),
    [
        ("recurse", {}, "stack"),
        ("allocate", {}, "memory"),
        ("print", {"lines": 1_000_000}, "output"),
        ("huge", {"bytes": 18 << 20}, "size"),
        ("crash", {}, "crash"),
        ("exit", {}, "crash"),
    ],
)
def test_each_hazard_ends_with_its_kind_and_the_next_call_works(
    worker: WasmWorker, name: str, given: dict[str, Any], kind: TrapKind
):
    result = tool(worker, name, **given)
    assert result.trap is not None, result
    assert result.trap.kind == kind, (result.trap, worker.printed)
    works(worker)


@pytest.mark.parametrize(("name", "given"), [("spin", {}), ("sleep", {"s": 30})])
def test_a_busy_and_a_sleeping_guest_are_stopped_within_100_ms_of_their_deadline(
    worker: WasmWorker, name: str, given: dict[str, Any]
):
    late_s: list[float] = []
    for _ in range(5):  # the best of some, for a busy machine
        began_s = time.monotonic()
        result = tool(worker, name, deadline_ms=300, **given)
        late_s.append(time.monotonic() - began_s - 0.3)
        assert result.trap is not None
        assert result.trap.kind == "deadline"
        if late_s[-1] < SLACK_S:
            break
    assert 0 <= min(late_s) < SLACK_S
    works(worker)


def test_what_it_printed_before_it_broke_down_is_told(worker: WasmWorker):
    tool(worker, "crash")
    assert "RuntimeError: as asked" in worker.printed


def test_only_codecs_that_were_used_while_it_was_built_are_there(worker: WasmWorker):
    assert tool(worker, "encode", codec="utf-16-le").ok == '"7800"'
    assert tool(worker, "encode", codec="utf-16-be").trap is not None
    assert "LookupError: unknown encoding: utf-16-be" in worker.printed


def test_instances_share_nothing_but_the_service_remembers(worker: WasmWorker):
    assert [tool(worker, "count").ok for _ in range(3)] == ["1", "1", "1"]
    counted = [worker.invoke("count", "{}", instance="service").ok for _ in range(3)]
    assert counted == ["1", "2", "3"]


def test_random_numbers_are_new_for_each_instance_and_clocks_are_right(worker: WasmWorker):
    assert tool(worker, "random").ok != tool(worker, "random").ok
    now_s, _, year = json.loads(tool(worker, "clock").ok)
    assert abs(now_s - time.time()) < 60
    assert year == time.gmtime().tm_year


def test_errors_travel_both_ways_with_their_fields(worker: WasmWorker):
    failed = tool(worker, "fail")
    assert failed.err == Fault("NO", "said no", retryable=True, retry_after_ms=1500)

    def busy(asked: HostCall) -> Answer:
        return Answer(asked.id, err=Fault("BUSY", "later", retryable=True, retry_after_ms=7))

    told = worker.invoke("compare", '{"key": "k"}', answer=busy)
    assert json.loads(told.ok) == ["BUSY", True, 7]


def test_host_calls_carry_records_and_options(worker: WasmWorker):
    def store(asked: HostCall) -> Answer:
        if asked.function == "put":
            assert asked.arguments == ["k", "v", 1.5]
            return Answer(asked.id, ok=3)
        assert (asked.function, asked.arguments) == ("get", ["k"])
        return Answer(asked.id, ok={"key": "k", "value": "v", "revision": 3})

    done = worker.invoke("kv", '{"key": "k", "value": "v"}', answer=store)
    assert json.loads(done.ok) == [3, "v", 3]
    for revision in (None, 5):
        compared = worker.invoke(
            "compare", '{"key": "k"}', answer=lambda asked, ok=revision: Answer(asked.id, ok=ok)
        )
        assert json.loads(compared.ok) == revision


@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc")
def test_many_calls_leave_no_memory_behind(worker: WasmWorker):
    def private_kb() -> int:
        with open(f"/proc/{worker.process.pid}/smaps_rollup", encoding="ascii") as file:  # noqa: PTH123 - /proc
            lines = dict(line.split(":", 1) for line in file if ":" in line)
        return int(lines["Private_Dirty"].split()[0])

    for _ in range(20):
        works(worker)
    before = private_kb()
    for _ in range(200):
        works(worker)
    assert private_kb() - before < 5_000
