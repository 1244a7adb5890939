"""Authorization first, then params, then the handler; errors never tell our insides."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from msgspec.structs import replace

from carapace.errors import Failed, Refused
from carapace.protocol.frames import Request
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Role, Scope
from carapace.protocol.version import V3
from carapace.server.dispatch import ActiveCall, Dispatcher
from carapace.telemetry.log import Logger
from carapace.telemetry.metrics import Metrics
from support.clock import FakeClock
from support.link import FakeLink
from support.server import make_caller, sample_methods


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("test", with_process=False)


def dispatcher(metrics: Metrics, methods: Methods | None = None) -> Dispatcher:
    return Dispatcher(
        methods or sample_methods(), lambda call: call, clock=FakeClock(), metrics=metrics
    )


def request(method: str, params: bytes = b"{}", request_id: str = "1") -> Request:
    return Request(request_id, method, msgspec.Raw(params))


async def ask(metrics, link: FakeLink, method: str, params: bytes = b"{}", methods=None):
    served = dispatcher(metrics, methods)
    served.dispatch(link, request(method, params))
    await served.drain(1.0)
    await served.close()
    return link.frames[-1]


READER = ("operator.read",)


@pytest.mark.parametrize(
    ("role", "scopes", "method", "message"),
    [
        (Role.OPERATOR, READER, "config.get", "missing scope: operator.admin"),
        (Role.OPERATOR, READER, "no.such.method", "missing scope: operator.admin"),
        (Role.OPERATOR, READER, "agent", "missing scope: operator.write"),
        (Role.OPERATOR, ("operator.admin",), "no.such.method", "unknown method: no.such.method"),
        (Role.OPERATOR, ("operator.admin",), "node.event", "unauthorized role: operator"),
        (Role.NODE, (), "health", "unauthorized role: node"),
        (Role.NODE, ("operator.admin",), "no.such.method", "unauthorized role: node"),
    ],
)
async def test_authorization_comes_first_and_in_the_known_words(
    metrics, role, scopes, method, message
):
    link = FakeLink(make_caller(role=role, scopes=scopes))
    answer = await ask(metrics, link, method, b'{"surprise":1}')
    assert answer["error"] == {"code": "INVALID_REQUEST", "message": message}


async def test_a_plain_handler_answers_before_dispatch_returns(metrics):
    link = FakeLink(make_caller())
    served = dispatcher(metrics)
    served.dispatch(link, request("health"))
    assert link.frames[0]["payload"]["ok"] is True
    assert len(served) == 0


async def test_a_plain_handler_may_hand_back_what_has_to_wait(metrics):
    methods = Methods()

    @methods.method("look", scope=Scope.READ, result=dict)
    def look(ctx: object):
        """Look again."""

        async def again() -> dict[str, bool]:
            return {"ok": True}

        return again

    link = FakeLink(make_caller())
    served = dispatcher(metrics, methods)
    served.dispatch(link, request("look"))
    assert (link.frames, link.waiting) == ([], {"1"})
    assert await served.drain(1.0)
    assert link.frames[0]["payload"] == {"ok": True}
    await served.close()
    served.dispatch(link, request("look"))
    assert link.frames[-1]["error"]["code"] == "UNAVAILABLE"


async def test_a_coroutine_handler_answers_later_and_waits_in_flight_meanwhile(metrics):
    link = FakeLink(make_caller())
    served = dispatcher(metrics)
    served.dispatch(link, request("models.list"))
    assert (link.frames, link.waiting) == ([], {"1"})
    assert await served.drain(1.0)
    assert link.frames[0]["payload"] == {"models": []}
    assert link.waiting == set()


async def test_a_pass_of_the_loop_sends_at_most_one_large_answer(metrics):
    methods, passes = Methods(), 0
    asked = 20

    @methods.method("large", scope=Scope.READ)
    async def large(ctx: object) -> dict[str, str]:
        """Answer at length."""
        return {"text": "x" * 100_000}

    @methods.method("small", scope=Scope.READ)
    async def small(ctx: object) -> dict[str, str]:
        """Answer briefly."""
        return {"text": "x"}

    link, other = FakeLink(make_caller()), FakeLink(make_caller())
    served = dispatcher(metrics, methods)
    for number in range(asked):
        served.dispatch(link, request("large", request_id=str(number)))
        served.dispatch(other, request("small", request_id=str(number)))
    while len(link.frames) < asked:
        before, passes = len(link.frames), passes + 1
        await asyncio.sleep(0)
        assert len(link.frames) <= before + 1
        assert passes < 10 * asked
        if passes > 3:
            assert len(other.frames) == asked
    assert [frame["id"] for frame in link.frames] == [str(number) for number in range(asked)]
    await served.close()


async def test_params_are_checked_against_the_row(metrics):
    answer = await ask(metrics, FakeLink(make_caller()), "models.list", b'{"x":1}')
    assert (
        answer["error"]["message"] == "invalid models.list params: at root: unexpected property 'x'"
    )


async def test_agent_answers_twice_with_one_id(metrics):
    link = FakeLink(make_caller())
    await ask(metrics, link, "agent")
    assert [(f["id"], f["payload"]["status"]) for f in link.frames] == [
        ("1", "accepted"),
        ("1", "ok"),
    ]


@pytest.mark.parametrize("is_async", [True, False])
async def test_an_unforeseen_error_is_hidden_behind_an_id_that_is_in_the_log(
    metrics, is_async, monkeypatch
):
    methods = Methods()
    if is_async:

        @methods.method("x", scope=Scope.READ)
        async def later(ctx: object) -> None:
            """Fail."""
            raise ValueError("internal-detail-4711")
    else:

        @methods.method("x", scope=Scope.READ)
        def now(ctx: object) -> None:
            """Fail."""
            raise ValueError("internal-detail-4711")

    lines: list[dict] = []
    monkeypatch.setattr(Logger, "error", lambda self, event, **fields: lines.append(fields))
    answer = await ask(metrics, FakeLink(make_caller()), "x", methods=methods)
    message = answer["error"]["message"]
    assert answer["error"]["code"] == "UNAVAILABLE"
    assert "4711" not in message
    error_id = message.split("look for ")[1].split(" ")[0]
    assert [line["error_id"] for line in lines] == [error_id]
    assert isinstance(lines[0]["exc_info"], ValueError)


async def test_refusals_and_failures_keep_their_code_details_and_payload(metrics):
    methods = Methods()

    @methods.method("x", scope=Scope.READ)
    async def later(ctx: object) -> None:
        """Fail."""
        raise Failed("no model", payload={"status": "error"}, details={"why": "x"}, retryable=True)

    answer = await ask(metrics, FakeLink(make_caller()), "x", methods=methods)
    assert answer["payload"] == {"status": "error"}
    assert answer["error"] == {
        "code": "UNAVAILABLE",
        "message": "no model",
        "details": {"why": "x"},
        "retryable": True,
    }


async def test_an_answer_or_error_that_cannot_be_encoded_is_an_error_too(metrics):
    methods = Methods()

    @methods.method("x", scope=Scope.READ)
    def now(ctx: object) -> object:
        """Answer what JSON cannot say."""
        return object()

    @methods.method("y", scope=Scope.READ)
    def details(ctx: object) -> object:
        """Refuse with what JSON cannot say."""
        raise Refused("no", details={"x": object()})

    for method in ("x", "y"):
        answer = await ask(metrics, FakeLink(make_caller()), method, methods=methods)
        assert answer["error"]["code"] == "UNAVAILABLE"


async def test_nobody_is_told_when_the_client_has_left(metrics):
    link = FakeLink(make_caller())
    link.closed = (1006, "")
    served = dispatcher(metrics)
    served.dispatch(link, request("models.list"))
    await served.drain(1.0)
    assert link.frames == []


async def test_while_closing_new_work_is_refused(metrics):
    link = FakeLink(make_caller())
    served = dispatcher(metrics)
    await served.close()
    served.dispatch(link, request("models.list"))
    assert link.frames[0]["error"]["message"].startswith("the gateway is stopping")
    assert link.waiting == set()


async def test_close_cancels_what_hangs(metrics):
    methods, started = Methods(), asyncio.Event()

    @methods.method("x", scope=Scope.READ)
    async def hang(ctx: object) -> None:
        """Hang."""
        started.set()
        await asyncio.Event().wait()

    served = dispatcher(metrics, methods)
    served.dispatch(FakeLink(make_caller()), request("x"))
    await started.wait()
    assert not await served.drain(0.01)
    await served.close()
    assert len(served) == 0


async def test_work_cancelled_before_its_first_step_is_closed(metrics):
    served = dispatcher(metrics)
    served.dispatch(FakeLink(make_caller()), request("models.list"))
    await served.close()
    assert len(served) == 0


async def test_a_method_of_another_version_is_unknown(metrics):
    link = FakeLink(make_caller(), replace(V3, protocol=4))
    answer = await ask(metrics, link, "health")
    assert answer["error"]["message"] == "unknown method: health"


async def test_requests_are_counted_by_method_and_outcome(metrics):
    link = FakeLink(make_caller())
    for method in ("health", "models.list", "config.get", "nope-" + "x" * 500):
        await ask(metrics, link, method)

    def count(method: str, outcome: str) -> float:
        return metrics.requests.labels(method, outcome)._value.get()

    assert count("health", "ok") == count("models.list", "ok") == 1
    assert count("unknown", "refused") == 1
    assert count("config.get", "refused") + count("config.get", "failed") == 1


def test_a_call_says_who_asks():
    caller = make_caller("c9")
    call = ActiveCall(FakeLink(caller), "1", "health")
    assert (call.caller, call.conn_id, call.client) == (caller, "c9", caller.client)
