from __future__ import annotations

from typing import Any

import pytest

from carapace.plugins.errors import GuestError, GuestTrap
from carapace.plugins.frames import Answer, Call, Fault, WorkerLimits
from carapace.plugins.worker.guest import _refuse_text
from carapace.plugins.worker.running import RunningCall
from support.guests import ERROR, LOG, compiled, hazard, tool_wat
from support.local_guest import LocalGuest

CALLS_HTTP_FOR_ITS_TYPES = tool_wat(
    """(call $f (i32.const 1) (i32.const 128))
    (if (i32.load8_u (i32.const 128)) (then
      (return (call $ok (i32.load (i32.const 132)) (i32.load (i32.const 136))))))
    (call $err)""",
    imports=f"""(import "carapace:plugin/http@1.0.0" (instance $http
      (type $raw {ERROR})
      (export "error" (type $error (eq $raw)))
      (export "fetch" (func (param "x" u32) (result (result u32 (error $error)))))))""",
    lowered="""(core func $f (canon lower (func $http "fetch")
      (memory $memory) (realloc (core func $realloc))))
      (core instance $host (export "f" (func $f)))""",
    core='(import "host" "f" (func $f (param i32 i32)))',
)


def tool(name: str, **options) -> LocalGuest:
    return LocalGuest(hazard(name), exports=("tool",), **options)


def test_it_tells_what_it_wants_and_offers():
    guest = tool("hang", grants=("config",)).guest.describe(is_sealed=True)
    assert guest.imports == ("carapace:plugin/config@1.0.0",)
    assert guest.exports == ("carapace:plugin/tool@1.0.0", "carapace:plugin/manifest@1.0.0")
    assert guest.is_sealed


def test_a_trapped_instance_is_gone_and_its_store_with_it():
    guest = tool("crash")
    for instance in ("fresh", "service"):
        with pytest.raises(GuestTrap, match="unreachable"):
            guest.call("tool", "invoke", "x", "", instance=instance)
    assert guest.guest._service is None


def test_the_service_lives_until_it_traps():
    guest = tool("count")
    assert [guest.call("tool", "invoke", "", "", instance="service") for _ in "ab"] == ["1", "2"]
    assert guest.guest._service is not None


def test_a_guest_that_cannot_begin_leaves_nothing_behind():
    guest = tool("echo", limits=WorkerLimits(memory_bytes=65536))
    for instance in ("fresh", "service"):
        with pytest.raises(GuestTrap) as caught:
            guest.call("tool", "invoke", "x", "", instance=instance)
        assert caught.value.kind == "memory"
    assert guest.guest._service is None


def test_an_error_is_raised_with_its_fields():
    with pytest.raises(GuestError) as caught:
        tool("error").call("tool", "invoke", "x", "")
    error = caught.value
    assert (error.code, error.message) == ("NO", "said no")
    assert (error.retryable, error.retry_after_ms) == (True, 1500)


def test_an_interface_that_only_lends_its_types_refuses_to_be_called():
    guest = LocalGuest(compiled(CALLS_HTTP_FOR_ITS_TYPES), grants=("poll",), exports=("tool",))
    assert guest.call("tool", "invoke", "x", "") == "NOT_GRANTED"


def test_one_that_cannot_refuse_ends_the_guest():
    websocket = tool_wat(
        "(call $emit (i32.const 2) (local.get $text) (local.get $text_len)) (call $err)",
        **{**LOG, "imports": LOG["imports"].replace("plugin/log", "plugin/websocket")},
    )
    guest = LocalGuest(compiled(websocket), exports=("tool",), grants=("websocket",))
    guest.answer = lambda *_: Answer(0, err=Fault("NO", "no"))
    with pytest.raises(GuestTrap, match="cannot be given"):
        guest.call("tool", "invoke", "x", "")
    lent = tool_wat(
        "(call $emit (i32.const 2) (local.get $text) (local.get $text_len)) (call $err)",
        **{**LOG, "imports": LOG["imports"].replace("plugin/log", "plugin/http")},
    )
    with pytest.raises(GuestTrap, match="not among the plugin's permissions"):
        LocalGuest(compiled(lent), exports=("tool",), grants=("poll",)).call(
            "tool", "invoke", "x", ""
        )


def test_a_call_of_a_guest_while_nothing_runs_is_a_trap():
    guest = tool("hang", grants=("config",))
    with pytest.raises(GuestTrap, match="nothing was asked"):
        guest.guest._now()


def test_a_bug_in_the_gateways_own_function_ends_only_this_call():
    def broken(*_):
        raise KeyError("a bug")

    guest = tool("hang", grants=("config",), answer=broken)
    with pytest.raises(GuestTrap, match="a bug") as caught:
        guest.call("tool", "invoke", "x", "")
    assert caught.value.kind == "crash"
    guest.answer = lambda *_: Answer(0, ok="fine")
    assert guest.call("tool", "invoke", "x", "") == "fine"


def test_a_resource_of_wasi_that_nobody_knows_is_refused():
    wat = tool_wat(
        "(call $err)",
        imports="""(import "wasi:io/streams@0.2.0" (instance
          (export "wormhole" (type (sub resource)))))""",
    )
    with pytest.raises(GuestError, match="wormhole"):
        LocalGuest(compiled(wat), exports=("tool",))


def test_a_function_that_is_announced_but_not_there_is_a_trap(monkeypatch):
    guest = tool("echo")
    export = guest.guest._exports["tool"]
    export.functions["ghost"] = export.functions["invoke"]
    with pytest.raises(GuestTrap, match="no function ghost"):
        guest.call("tool", "ghost", "x", "")


def test_between_two_calls_the_next_instance_is_made_and_is_as_fresh():
    guest = tool("count")
    assert guest.call("tool", "invoke", "", "") == "1"
    guest.tidy()
    waiting = guest.guest._spare
    assert waiting is not None
    guest.guest._made = None  # type: ignore[assignment] - nothing else may be made now
    assert guest.call("tool", "invoke", "", "") == "1"
    assert guest.guest._over is waiting
    assert guest.guest._spare is None


def test_a_service_may_begin_with_the_instance_that_waits():
    guest = tool("count")
    guest.call("tool", "invoke", "", "")
    guest.tidy()
    assert [guest.call("tool", "invoke", "", "", instance="service") for _ in "ab"] == ["1", "2"]
    guest.tidy()
    assert guest.guest._spare is None, "only calls that use instances up need another"


def test_an_instance_that_waited_too_long_is_let_go():
    guest = tool("count")
    guest.call("tool", "invoke", "", "")
    guest.tidy()
    guest.guest.rest()
    assert (guest.guest._spare, guest.guest._over) == (None, None)
    assert guest.call("tool", "invoke", "", "") == "1"


def test_a_guest_that_asks_when_it_begins_does_so_in_its_call():
    asked: list[str] = []

    def answer(interface: str, function: str, arguments: list[Any]) -> Answer:
        asked.append(function)
        return Answer(0)

    guest = tool("begins-asking", grants=("config",), answer=answer)
    for number in range(1, 6):
        guest.call("tool", "invoke", "", "")
        guest.tidy()
        assert guest.guest._spare is None
        assert asked == ["get"] * number
    assert guest.guest._faults == 3


def test_what_a_guest_prints_when_it_begins_belongs_to_a_call():
    guest = tool("begins-printing")
    for _ in range(2):
        guest.printed = ""
        guest.call("tool", "invoke", "", "")
        assert guest.printed == "NO"
        guest.tidy()
        assert guest.guest._spare is None


def test_text_of_nobody_is_refused():
    with pytest.raises(GuestTrap, match="before it was called"):
        _refuse_text("x")


def test_a_call_that_comes_too_late_leaves_the_waiting_instance_to_the_next():
    guest = tool("count")
    guest.call("tool", "invoke", "", "")
    guest.tidy()
    late = RunningCall(1, 0.0, limits=guest.limits, write=lambda _: None)
    with pytest.raises(GuestTrap, match="before it could begin"):
        guest.guest.run(Call(1, "tool", "invoke", ["", ""], 1), late, guest.deadline)
    assert guest.guest._spare is not None
    assert guest.call("tool", "invoke", "", "") == "1"
