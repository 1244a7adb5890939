"""Each hazard is stopped within 100 ms of its limit, and the next call is served."""

from __future__ import annotations

import os
import platform
import socket
import struct
import sys
import time
from pathlib import Path

import pytest

from carapace.confine import filter_program
from carapace.plugins.errors import TrapKind
from carapace.plugins.frames import (
    Answer,
    Call,
    Fault,
    FrameReader,
    HostCall,
    Load,
    Stop,
    ToWorker,
    WorkerLimits,
    decode_from_worker,
    frame,
)
from carapace.plugins.worker.__main__ import main
from carapace.plugins.worker.sealing import WORKER_CALLS
from support.guests import CONFIG, compiled, hazard, tool_wat
from support.wasm_worker import WasmWorker, wasm_worker

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="POSIX")]

HAS_SEAL = sys.platform == "linux" and filter_program(platform.machine(), WORKER_CALLS) is not None
SLACK_S = 0.1


def trapped(worker: WasmWorker, kind: TrapKind, **options: object) -> float:
    """Call it, see it stopped so, and tell how long that took."""
    began_s = time.monotonic()
    result = worker.invoke(**options)  # type: ignore[arg-type]
    took_s = time.monotonic() - began_s
    assert result.trap is not None, result
    assert result.trap.kind == kind, result.trap
    return took_s


def stopped_after_s(worker: WasmWorker, limit_s: float, **options: object) -> float:
    """How long after its deadline it was stopped; the best of some, for a busy machine."""
    late_s: list[float] = []
    for _ in range(5):
        took_s = trapped(worker, "deadline", deadline_ms=int(limit_s * 1000), **options)
        late_s.append(took_s - limit_s)
        if late_s[-1] < SLACK_S:
            break
    assert min(late_s) >= 0
    return min(late_s)


def test_a_call_goes_in_and_its_answer_comes_out():
    with wasm_worker(hazard("echo")) as worker:
        assert worker.loaded is not None
        assert worker.loaded.ok["is_sealed"] == HAS_SEAL
        assert worker.loaded.ok["exports"] == [
            "carapace:plugin/tool@1.0.0",
            "carapace:plugin/manifest@1.0.0",
        ]
        assert worker.invoke("any", 'grüße, "\u0001" 🦀').ok == 'grüße, "\u0001" 🦀'
        assert worker.invoke("any", "x" * 1_000_000).ok == "x" * 1_000_000


def test_an_error_of_the_guest_is_no_trap():
    with wasm_worker(hazard("error")) as worker:
        for _ in range(3):
            assert worker.invoke().err == Fault(
                "NO", "said no", retryable=True, retry_after_ms=1500
            )


def test_a_fresh_instance_knows_nothing_of_the_one_before_but_the_service_does():
    with wasm_worker(hazard("count")) as worker:
        assert [worker.invoke().ok for _ in range(3)] == ["1", "1", "1"]
        assert [worker.invoke(instance="service").ok for _ in range(3)] == ["1", "2", "3"]
        assert worker.invoke().ok == "1"
        assert worker.invoke(instance="service").ok == "4"


def test_an_endless_loop_is_stopped_at_its_deadline():
    with wasm_worker(hazard("spin")) as worker:
        for _ in range(3):
            assert stopped_after_s(worker, 0.2) < SLACK_S


def test_a_sleep_is_stopped_at_its_deadline():
    with wasm_worker(hazard("sleep")) as worker:
        assert stopped_after_s(worker, 0.2) < SLACK_S
        assert stopped_after_s(worker, 0.05) < SLACK_S


def test_a_short_sleep_ends_by_itself():
    with wasm_worker(hazard("nap")) as worker:
        assert worker.invoke().ok == ""


def test_deep_recursion_is_stopped():
    with wasm_worker(hazard("recurse")) as worker:
        for _ in range(2):
            trapped(worker, "stack")


def test_a_gigabyte_is_refused_and_the_guest_may_say_so():
    with wasm_worker(hazard("allocate")) as worker:
        refused = worker.invoke()
        assert refused.err is not None
        assert refused.err.code == "NO"
        assert resident_bytes(worker) < 200 * 2**20


def test_a_guest_that_needs_more_memory_than_it_may_have_never_begins():
    limits = WorkerLimits(memory_bytes=65536)
    with wasm_worker(hazard("echo"), limits=limits) as worker:
        trapped(worker, "memory")


def test_a_flood_of_output_is_stopped_at_its_cap():
    with wasm_worker(hazard("flood"), limits=WorkerLimits(output_bytes=10_000)) as worker:
        assert trapped(worker, "output") < 1
        assert len(worker.printed) == 10_000


def test_what_a_guest_prints_comes_with_its_call():
    with wasm_worker(hazard("print")) as worker:
        assert worker.invoke("x", "hällo\n").ok == ""
        assert worker.printed == "hällo\n"


def test_a_huge_answer_is_refused():
    with wasm_worker(hazard("huge")) as worker:
        assert trapped(worker, "size") < 2
        assert resident_bytes(worker) < 300 * 2**20


def test_a_huge_question_to_the_gateway_is_refused():
    with wasm_worker(
        hazard("hang"), grants=("config",), limits=WorkerLimits(value_bytes=1000)
    ) as worker:
        trapped(worker, "size", text="x" * 2000)
        assert worker.asked == []


def test_an_answer_that_grows_over_the_frame_in_json_is_refused():
    with wasm_worker(hazard("zeros")) as worker:
        trapped(worker, "size")


def test_a_crash_and_an_access_beyond_memory_are_crashes():
    for name in ("crash", "beyond"):
        with wasm_worker(hazard(name)) as worker:
            for _ in range(2):
                trapped(worker, "crash")


def test_a_hang_in_a_host_call_ends_at_the_deadline_of_the_call():
    with wasm_worker(hazard("hang"), grants=("config",)) as worker:
        assert stopped_after_s(worker, 0.2) < SLACK_S
        late = worker.asked[0]
        worker.send(Answer(late.id, ok="too late"))

        assert worker.invoke(
            "x", "key", answer=lambda asked: Answer(asked.id, ok="in time")
        ).ok == ("in time")


def test_a_host_call_reaches_the_gateway_and_its_answer_the_guest():
    with wasm_worker(hazard("hang"), grants=("config",)) as worker:
        assert worker.invoke("x", "a.b", answer=lambda asked: Answer(asked.id, ok="value")).ok == (
            "value"
        )
        asked = worker.asked[0]
        assert (asked.interface, asked.function, asked.arguments) == ("config", "get", ["a.b"])
        nothing = worker.invoke("x", "a.b", answer=lambda asked: Answer(asked.id, ok=None))
        assert nothing.err is not None


def test_waiting_for_an_answer_does_not_lengthen_the_call():
    """A loop of host calls, each answered at once, ends at the deadline of the whole."""
    body = """(loop $again (call $get (local.get $text) (local.get $text_len) (i32.const 128))
        (br $again)) (unreachable)"""
    with wasm_worker(compiled(tool_wat(body, **CONFIG)), grants=("config",)) as worker:
        late_s = stopped_after_s(worker, 0.3, answer=lambda asked: Answer(asked.id, ok=None))
        assert late_s < SLACK_S
        assert len(worker.asked) > 10


def test_an_answer_that_does_not_fit_ends_the_guest_not_the_worker():
    def refuse(asked: HostCall) -> Answer:
        return Answer(asked.id, err=Fault("NO_PLACE", "nobody knows how to say this"))

    with wasm_worker(hazard("hang"), grants=("config",)) as worker:
        trapped(worker, "crash", answer=lambda asked: Answer(asked.id, ok=5))
        trapped(worker, "crash", answer=refuse)
        assert worker.invoke("x", "k", answer=lambda asked: Answer(asked.id, ok="v")).ok == "v"


def test_too_many_things_to_wait_for_are_refused():
    with wasm_worker(hazard("waits")) as worker:
        trapped(worker, "memory")


def test_a_trapped_service_is_replaced():
    body = """(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (if (i32.eq (global.get $calls) (i32.const 2)) (then (unreachable)))
        (call $ok (i32.const 0) (i32.const 0))"""
    with wasm_worker(compiled(tool_wat(body))) as worker:
        assert worker.invoke(instance="service").ok == ""
        trapped(worker, "crash", instance="service")
        assert worker.invoke(instance="service").ok == ""


def test_a_trap_of_a_fresh_instance_leaves_the_service_alone():
    body = """(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (if (local.get $text_len) (then (unreachable)))
        (i32.store8 (i32.const 32) (i32.add (i32.const 48) (global.get $calls)))
        (call $ok (i32.const 32) (i32.const 1))"""
    with wasm_worker(compiled(tool_wat(body))) as worker:
        assert worker.invoke(instance="service").ok == "1"
        trapped(worker, "crash", text="x")
        assert worker.invoke(instance="service").ok == "2"


def test_an_import_that_is_not_granted_is_refused_by_name_before_anything_runs():
    with wasm_worker(hazard("hang")) as worker:
        assert worker.loaded is not None
        assert worker.loaded.err is not None
        assert worker.loaded.err.code == "IMPORT_REFUSED"
        assert "carapace:plugin/config@1.0.0" in worker.loaded.err.message
        assert worker.process.wait(10) == 0


def test_native_http_is_refused_by_name():
    with wasm_worker(hazard("http"), grants=("http",)) as worker:
        assert worker.loaded is not None
        assert worker.loaded.err is not None
        assert "wasi:http/outgoing-handler" in worker.loaded.err.message


def test_a_missing_export_is_refused():
    with wasm_worker(hazard("echo"), exports=("tool", "channel")) as worker:
        assert worker.loaded is not None
        assert worker.loaded.err is not None
        assert worker.loaded.err.code == "EXPORT_MISSING"


def test_what_is_no_machine_code_is_refused(tmp_path: Path):
    wrong = tmp_path / "wrong.cwasm"
    wrong.write_bytes(b"\x7fELF" + bytes(1000))
    with wasm_worker(wrong) as worker:
        assert worker.loaded is not None
        assert worker.loaded.err is not None
        assert worker.loaded.err.code == "INVALID_COMPONENT"


def test_calls_that_make_no_sense_are_errors_and_the_worker_goes_on():
    with wasm_worker(hazard("echo")) as worker:
        for interface, function, arguments, code in (
            ("channel", "describe", [], "UNKNOWN_FUNCTION"),
            ("tool", "nothing", [], "UNKNOWN_FUNCTION"),
            ("tool", "invoke", ["one"], "INVALID_ARGUMENTS"),
            ("tool", "invoke", ["one", 2], "INVALID_ARGUMENTS"),
        ):
            result = worker.call(interface, function, *arguments)
            assert result.err is not None
            assert result.err.code == code
        assert worker.invoke("x", "y").ok == "y"


def test_calls_that_were_sent_together_are_served_in_order():
    with wasm_worker(hazard("echo")) as worker:
        for number in range(50):
            worker.send(Call(100 + number, "tool", "invoke", ["x", str(number)], 5000))
        got = [worker.receive() for _ in range(50)]
        assert [(one.id, one.ok) for one in got] == [(100 + n, str(n)) for n in range(50)]  # type: ignore[union-attr]


def test_a_call_whose_time_passed_in_the_queue_never_begins():
    with wasm_worker(hazard("spin")) as worker:
        worker.send(Call(100, "tool", "invoke", ["x", ""], 300))
        worker.send(Call(101, "tool", "invoke", ["x", ""], 100))
        first, second = worker.receive(), worker.receive()
        assert first.trap.kind == second.trap.kind == "deadline"  # type: ignore[union-attr]
        assert "before it could begin" in second.trap.text  # type: ignore[union-attr]


def test_a_worker_ends_with_stop_and_with_its_gateway_even_while_a_guest_runs():
    with wasm_worker(hazard("echo")) as worker:
        assert worker.stop() == 0
    with wasm_worker(hazard("spin")) as worker:
        worker.send(Call(100, "tool", "invoke", ["x", ""], 60_000))
        worker.send(Stop())
        assert worker.process.wait(5) == 0
    with wasm_worker(hazard("spin")) as worker:
        worker.send(Call(100, "tool", "invoke", ["x", ""], 60_000))
        worker.sock.shutdown(1)
        assert worker.process.wait(5) == 0


def test_a_gateway_that_breaks_the_rules_is_left():
    with wasm_worker(hazard("echo")) as worker:
        worker.sock.sendall(struct.pack(">I", 3) + b"{}x")
        assert worker.process.wait(5) == 2
    with wasm_worker(hazard("echo")) as worker:
        worker.send(Load(9, (), ()))
        assert worker.process.wait(5) == 2
    with wasm_worker(hazard("echo"), first=Stop()) as worker:
        assert worker.loaded is None
        assert worker.process.wait(5) == 2


@pytest.mark.skipif(not HAS_SEAL, reason="no seal here")
def test_both_threads_of_a_worker_are_sealed_and_hold_only_their_socket():
    with wasm_worker(hazard("echo")) as worker:
        assert worker.invoke("x", "y").ok == "y"
        folder = Path(f"/proc/{worker.process.pid}")
        for task in (folder / "task").iterdir():
            status = dict(
                line.split(":\t", 1) for line in (task / "status").read_text().splitlines()
            )
            assert status["Seccomp"] == "2", task
            assert status["NoNewPrivs"] == "1"
        assert len(list((folder / "task").iterdir())) == 2
        held = {one.name: str(one.readlink()) for one in (folder / "fd").iterdir()}
        beyond = [what for number, what in held.items() if int(number) > 2]
        assert len(beyond) == 2, held  # its code is mapped from the file
        assert {what.split(":")[0] for what in beyond} == {"socket", str(hazard("echo"))}


def in_process(monkeypatch, *messages: ToWorker, code: Path | None = None) -> tuple[int, list]:
    """Run `main` here, unconfined, after the gateway said all this; its status and frames."""
    module = sys.modules["carapace.plugins.worker.__main__"]
    monkeypatch.setattr(module, "confine", lambda *_, **__: None)
    monkeypatch.setattr(module, "seal", lambda _: True)
    ours, theirs = socket.socketpair()
    descriptor = os.open(code or hazard("echo"), os.O_RDONLY)
    for message in messages:
        ours.sendall(frame(message))
    ours.shutdown(socket.SHUT_WR)
    status = main(["1", str(theirs.fileno()), str(descriptor)])
    theirs.close()
    data = b"".join(iter(lambda: ours.recv(65536), b""))
    ours.close()
    return status, [decode_from_worker(body) for body in FrameReader().feed(data)]


def test_a_worker_tells_when_it_is_ready_and_ends_with_its_gateway(monkeypatch):
    status, (loaded,) = in_process(monkeypatch, Load(1, (), ("tool",)), Stop())
    assert status == 0
    assert loaded.ok["is_sealed"] is True


def test_a_refused_load_is_told_and_ends_it(monkeypatch, tmp_path):
    status, (refused,) = in_process(monkeypatch, Load(1, (), ("channel",)))
    assert (status, refused.err.code) == (0, "EXPORT_MISSING")
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"x")
    status, (refused,) = in_process(monkeypatch, Load(1, (), ()), code=wrong)
    assert (status, refused.err.code) == (0, "INVALID_COMPONENT")


def test_a_gateway_that_says_nothing_or_the_wrong_thing_is_left(monkeypatch, capsys):
    assert in_process(monkeypatch) == (0, [])
    assert in_process(monkeypatch, Stop()) == (2, [])
    assert "not a load" in capsys.readouterr().err


def resident_bytes(worker: WasmWorker) -> int:
    status = Path(f"/proc/{worker.process.pid}/status")
    if not status.exists():
        return 0
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024
