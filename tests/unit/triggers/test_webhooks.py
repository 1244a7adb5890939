"""One order for every request; each step is the only one that answers what it refuses."""

from __future__ import annotations

import asyncio

import pytest

from carapace.errors import Failed, GatewayError, Refused
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor
from carapace.triggers.replay import ReplayMemory
from carapace.triggers.webhook_budget import BudgetRules
from carapace.triggers.webhook_types import (
    BadBody,
    RawRequest,
    Rejected,
    Step,
    Verified,
    VerifiedRequest,
    WebhookAnswer,
    plain,
)
from carapace.triggers.webhooks import KernelLimits, WebhookKernel, _verify
from support.webhooks import KernelRig, head, kernel_rig, raw, route, sign

ORDER = list(Step)


async def test_a_right_request_passes_every_step_in_order():
    async with kernel_rig(route()) as rig:
        answer = await rig.signed(b'{"a":1}')
        assert (answer.status, answer.body) == (200, b"ok")
        assert rig.steps == ORDER
        assert rig.counted("test", Step.ANSWER) == 1


async def _forbid(request: VerifiedRequest) -> WebhookAnswer:
    request.enter(Step.AUTHORISE)
    if request.value.get("who") != "friend":
        return plain(403, "no")
    request.enter(Step.PERSIST)
    if request.value.get("disk") != "fine":
        raise Failed("the disk is full", retryable=True)
    return plain(200, "ok")


class Wrong:
    """A request that is wrong at one step and at every one after it."""

    def __init__(self, step: Step) -> None:
        self.at = ORDER.index(step)

    def bad(self, step: Step) -> bool:
        return ORDER.index(step) >= self.at


async def _send_wrong(rig: KernelRig, step: Step) -> WebhookAnswer:
    wrong = Wrong(step)
    body = b'{"who":"friend","disk":"fine"}'
    if wrong.bad(Step.PERSIST):
        body = b'{"who":"friend","disk":"full"}'
    if wrong.bad(Step.AUTHORISE):
        body = b'{"who":"stranger"}'
    if wrong.bad(Step.PARSE):
        body = b"{broken"
    if wrong.bad(Step.BODY):
        body = b"{" * 2_000
    signed = sign(body, rig.clock)
    if step is Step.REPLAY:
        # What was handled before is known before it is looked into; so the first was right.
        return await _replayed(rig)
    if wrong.bad(Step.SIGNATURE):
        signed = {"X-Carapace-Signature": "t=1,v1=00"}
    if wrong.bad(Step.BUDGET) and step is not Step.SIGNATURE and step is not Step.BODY:
        await _spend(rig)
    return await rig.send(
        "/in/nothing" if wrong.bad(Step.ROUTE) and step is not Step.METHOD else "/in/here",
        body,
        method="DELETE" if wrong.bad(Step.METHOD) else "POST",
        headers=signed,
    )


async def _spend(rig: KernelRig) -> None:
    for _ in range(3):
        await rig.send("/in/here", b"{}")
    rig.steps.clear()


async def _replayed(rig: KernelRig) -> WebhookAnswer:
    body = b'{"who":"friend","disk":"fine"}'
    headers = sign(body, rig.clock)
    assert (await rig.send("/in/here", body, headers=headers)).status == 200
    rig.steps.clear()
    return await rig.send("/in/here", body, headers=headers)


LIMITS = KernelLimits(budget=BudgetRules(per_s=0.001, burst=2, checks_per_s=0.001, checks_burst=1))


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (Step.METHOD, 405),
        (Step.ROUTE, 404),
        (Step.BUDGET, 429),
        (Step.BODY, 413),
        (Step.SIGNATURE, 401),
        (Step.REPLAY, 200),
        (Step.PARSE, 400),
        (Step.AUTHORISE, 403),
        (Step.PERSIST, 503),
    ],
)
async def test_the_first_wrong_step_answers_and_no_later_one_is_reached(step: Step, status: int):
    async with kernel_rig(route("/in/here", handle=_forbid, max_bytes=1_000), limits=LIMITS) as rig:
        rig.kernel.claim("/in", "test")
        answer = await _send_wrong(rig, step)
        assert answer.status == status
        if step is Step.AUTHORISE:  # answered by the handler, which is the last of us to speak
            assert rig.steps[:-1] == ORDER[: ORDER.index(step) + 1]
        else:
            assert rig.steps == ORDER[: ORDER.index(step) + 1]
        if step is Step.REPLAY:
            assert answer.body == b"duplicate"


async def test_what_may_be_sent_is_told_with_405():
    async with kernel_rig(route(methods=frozenset({"POST", "PUT"}))) as rig:
        answer = await rig.send(method="GET")
        assert answer.headers == {"Allow": "POST, PUT"}
        assert answer.body == b"Method Not Allowed"


async def test_many_addresses_cannot_wash_out_the_trail():
    async with kernel_rig(route()) as rig:
        for number in range(200):
            await rig.send(client_ip=f"192.0.2.{number}")
        assert len(rig.audited("webhook.refused")) == 100


async def test_a_rejected_signature_is_asked_for_and_recorded():
    async with kernel_rig(route()) as rig:
        answer = await rig.send()
        assert answer.headers == {"WWW-Authenticate": "Signature"}
        assert [line["reason"] for line in rig.audited("webhook.refused")] == ["no-timestamp"]
        assert rig.counted("test", Step.SIGNATURE) == 1


async def test_the_trail_is_not_flooded():
    async with kernel_rig(route()) as rig:
        for _ in range(50):
            await rig.send()
        assert len(rig.audited("webhook.refused")) == 5


async def test_a_check_that_breaks_says_no():
    def broken(raw: RawRequest) -> Verified | Rejected:
        raise KeyError("signature")

    async with kernel_rig(route(verify=broken)) as rig:
        assert (await rig.send()).status == 401


def test_no_check_is_no_yes():
    assert _verify(None, raw()) == Rejected(reason="no-check")


async def test_a_rejection_may_have_its_own_status_and_words():
    def check(raw: RawRequest) -> Verified | Rejected:
        return Rejected(reason="odd", status=400, text="not so")

    async with kernel_rig(route(verify=check)) as rig:
        answer = await rig.send()
        assert (answer.status, answer.body, answer.headers) == (400, b"not so", {})


async def test_routes_can_be_put_in_their_place_without_an_observer():
    async with kernel_rig() as rig:
        kernel = WebhookKernel(
            ReplayMemory(rig.database, rig.clock),
            clock=rig.clock,
            audit=Audit(rig.audit_file.parent / "own", clock=rig.clock, redactor=Redactor()),
            metrics=rig.metrics,
        )
        kernel.mount(route())

        async def read(_max_bytes: int) -> bytes:
            return b"{}"

        answer = await kernel.handle(head(headers=sign(b"{}", rig.clock)), read)
        assert answer.status == 200
        assert rig.steps == []


async def test_a_route_without_secret_does_not_exist_and_says_why():
    async with kernel_rig(route(verify=None)) as rig:
        assert not rig.kernel.owns("/in")
        assert (await rig.send()).status == 404
        assert rig.kernel.troubles() == (
            "the webhook /in of test is not served: its secret is not set",
        )
        rig.kernel.mount(route())
        assert rig.kernel.troubles() == ()
        assert (await rig.signed()).status == 200


async def test_routes_come_and_go():
    async with kernel_rig(route(), route("/also"), route("/gone", verify=None)) as rig:
        assert rig.kernel.unmount("test", "/in") == 1
        assert not rig.kernel.owns("/in")
        assert rig.kernel.owns("/also")
        assert len(rig.kernel.troubles()) == 1
        assert rig.kernel.unmount("test") == 1
        assert rig.kernel.troubles() == ()
        assert not rig.kernel.owns("/also")


async def test_the_same_path_twice_is_an_error():
    async with kernel_rig(route()) as rig:
        with pytest.raises(Refused, match="taken by test"):
            rig.kernel.mount(route(owner="other"))


async def test_a_body_that_says_it_is_too_long_is_not_read():
    async def never(_max_bytes: int) -> bytes:
        raise AssertionError("read")

    async with kernel_rig(route(max_bytes=10)) as rig:
        answer = await rig.kernel.handle(head(content_length=11), never)
        assert answer.status == 413


async def test_a_body_that_turns_out_too_long_is_cut():
    async with kernel_rig(route(max_bytes=10)) as rig:
        assert (await rig.send(body=b"x" * 11, content_length=None)).status == 413
        assert rig.kernel.reading == 0


async def test_a_slow_body_is_cut():
    async def forever(_max_bytes: int) -> bytes:
        await asyncio.Event().wait()
        return b""

    async with kernel_rig(route(), limits=KernelLimits(body_deadline_s=0.01)) as rig:
        assert (await rig.kernel.handle(head(), forever)).status == 408
        assert rig.kernel.reading == 0


async def test_a_suspect_may_send_small_bodies_only():
    limits = KernelLimits(budget=BudgetRules(per_s=0.001, burst=1, small_bytes=8))
    async with kernel_rig(route(), limits=limits) as rig:
        assert (await rig.send()).status == 401
        assert (await rig.signed(b'{"a":1}')).status == 200
        answer = await rig.signed(b'{"a":123456}')
        assert answer.status == 429
        assert answer.headers == {"Retry-After": "5"}
        assert (await rig.signed(b'{"a":123456}', content_length=None)).status == 429


async def test_a_locked_address_is_not_compared():
    compared: list[str] = []

    def check(raw: RawRequest) -> Verified | Rejected:
        compared.append(raw.client_ip)
        return Rejected(reason="token")

    async with kernel_rig(route(verify=check, is_guessable=True)) as rig:
        for _ in range(10):
            assert (await rig.send()).status == 401
        answer = await rig.send()
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) == 300
        assert len(compared) == 10
        assert (await rig.send(client_ip="192.0.2.2")).status == 401
        reasons = [line["reason"] for line in rig.audited("webhook.refused")]
        assert reasons == ["token"] * 5 + ["locked-out", "token"]


async def test_a_burst_of_guesses_cannot_overdraw_the_budget():
    compared: list[str] = []

    def check(raw: RawRequest) -> Verified | Rejected:
        compared.append(raw.client_ip)
        return Rejected(reason="token")

    async with kernel_rig(route(verify=check, is_guessable=True)) as rig:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(rig.send()) for _ in range(50)]
        statuses = [task.result().status for task in tasks]
        assert statuses.count(401) == len(compared) == 10
        assert statuses.count(429) == 40


async def test_too_many_handlers_at_once_are_told_to_come_back():
    gate, inside = asyncio.Event(), asyncio.Event()

    async def wait(_request: VerifiedRequest) -> WebhookAnswer:
        inside.set()
        await gate.wait()
        return plain(200, "ok")

    async with kernel_rig(route(handle=wait), limits=KernelLimits(max_running=1)) as rig:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(rig.signed(b'{"n":1}'))
            await inside.wait()
            second = await rig.signed(b'{"n":2}')
            gate.set()
        assert second.status == 503
        assert second.headers == {"Retry-After": "1"}
        assert first.result().status == 200


async def test_the_same_request_while_it_is_handled_must_wait():
    gate, inside = asyncio.Event(), asyncio.Event()

    async def wait(_request: VerifiedRequest) -> WebhookAnswer:
        inside.set()
        await gate.wait()
        return plain(200, "ok")

    async with kernel_rig(route(handle=wait)) as rig:
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.signed())
            await inside.wait()
            assert (await rig.signed()).status == 503
            gate.set()
        assert (await rig.signed()).body == b"duplicate"
        assert len(rig.audited("webhook.replayed")) == 1


@pytest.mark.parametrize("status", [400, 403, 500, 503])
async def test_what_was_not_handled_well_may_be_sent_again(status: int):
    answers = [plain(status, "no"), plain(202, "ok")]

    async def handle(_request: VerifiedRequest) -> WebhookAnswer:
        return answers.pop(0)

    async with kernel_rig(route(handle=handle)) as rig:
        assert [(await rig.signed()).status for _ in range(3)] == [status, 202, 200]


@pytest.mark.parametrize(
    ("error", "status", "wait"),
    [
        (Refused("wrong"), 400, None),
        (Refused("full", retryable=True, retry_after_ms=1_500), 503, "2"),
        (Failed("the disk is full"), 503, "1"),
        (GatewayError("odd"), 503, "1"),
        (BadBody("late"), 400, None),
    ],
)
async def test_what_a_handler_raises_becomes_an_answer(
    error: Exception, status: int, wait: str | None
):
    async def handle(_request: VerifiedRequest) -> WebhookAnswer:
        raise error

    async with kernel_rig(route(handle=handle)) as rig:
        answer = await rig.signed()
        assert (answer.status, answer.headers.get("Retry-After")) == (status, wait)


async def test_a_handler_that_breaks_is_not_remembered():
    fails = [True]

    async def handle(_request: VerifiedRequest) -> WebhookAnswer:
        if fails:
            fails.pop()
            raise ZeroDivisionError
        return plain(200, "ok")

    async with kernel_rig(route(handle=handle)) as rig:
        with pytest.raises(ZeroDivisionError):
            await rig.signed()
        assert (await rig.signed()).body == b"ok"


async def test_a_handler_that_takes_too_long_is_ended():
    async def handle(_request: VerifiedRequest) -> WebhookAnswer:
        await asyncio.Event().wait()
        return plain(200, "ok")

    async with kernel_rig(route(handle=handle, timeout_s=0.01)) as rig:
        answer = await rig.signed()
        assert answer.status == 503
        assert answer.headers == {"Retry-After": "5"}


async def test_a_handler_can_remember_in_its_own_transaction():
    handled: list[bool] = []

    async def handle(request: VerifiedRequest) -> WebhookAnswer:
        handled.append(await rig.database.write(request.remember))
        return plain(200, "ok")

    async with kernel_rig(route(handle=handle, remembers=True)) as rig:
        assert (await rig.signed()).body == b"ok"
        assert (await rig.signed()).body == b"duplicate"
        assert handled == [True]


async def test_without_a_replay_key_nothing_is_dropped():
    def check(raw: RawRequest) -> Verified | Rejected:
        return Verified()

    async def handle(request: VerifiedRequest) -> WebhookAnswer:
        return plain(200, str(await rig.database.write(request.remember)))

    async with kernel_rig(route(verify=check, handle=handle)) as rig:
        assert [(await rig.send()).body for _ in range(2)] == [b"True", b"True"]


async def test_if_it_cannot_be_remembered_it_is_not_handled():
    handled: list[bool] = []

    async def handle(_request: VerifiedRequest) -> WebhookAnswer:
        handled.append(True)
        return plain(200, "ok")

    async with kernel_rig(route(handle=handle)) as rig:
        await rig.database.close()
        assert (await rig.signed()).status == 503
        assert not handled


async def test_an_outcome_that_cannot_be_written_does_not_undo_the_answer():
    async def handle(_request: VerifiedRequest) -> WebhookAnswer:
        await rig.database.close()
        return plain(200, "ok")

    async with kernel_rig(route(handle=handle)) as rig:
        assert (await rig.signed()).body == b"ok"


async def test_a_slow_reader_gives_way_to_the_next_request():
    started = asyncio.Event()

    async def forever(_max_bytes: int) -> bytes:
        started.set()
        await asyncio.Event().wait()
        return b""

    async with kernel_rig(route(), limits=KernelLimits(max_reading=1)) as rig:
        async with asyncio.TaskGroup() as group:
            slow = group.create_task(rig.kernel.handle(head(), forever))
            await started.wait()
            assert rig.kernel.reading == 1
            assert (await rig.signed()).status == 200
        assert slow.result().status == 429
        assert rig.kernel.reading == 0
