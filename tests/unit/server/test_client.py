"""A client's way in, over a real socket: the recorded refusals, the timer, the hello."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import pytest

from carapace.auth.types import ConnectRefused
from carapace.config.settings.gateway import LimitSettings
from carapace.errors import Refused
from carapace.protocol.events import Event
from support.polling import until
from support.server import connect_params, running_server, ws_client


@pytest.fixture
async def running(tmp_path):
    async with running_server(tmp_path) as running:
        yield running


@contextlib.asynccontextmanager
async def challenged(running):
    async with ws_client(running.url) as client:
        challenge = await client.frame()
        assert challenge["event"] == "connect.challenge"
        yield client


async def test_the_challenge_comes_first_and_its_nonce_is_the_one_that_is_judged(running):
    async with ws_client(running.url) as client:
        challenge = await client.frame()
        assert set(challenge) == {"type", "event", "payload"}
        assert isinstance(challenge["payload"]["ts"], int)
        hello = await client.connect()
        assert hello["payload"]["type"] == "hello-ok"
        assert hello["payload"]["protocol"] == 3
        assert running.admitter.nonces == [challenge["payload"]["nonce"]]


async def test_hello_shows_the_client_itself_and_it_can_call(running):
    async with challenged(running) as client:
        hello = (await client.connect())["payload"]
        assert [entry["reason"] for entry in hello["snapshot"]["presence"]] == ["self", "connect"]
        assert (await client.call("health"))["payload"]["ok"] is True
        assert (await client.call("models.list", {}))["payload"] == {"models": []}


async def test_binary_messages_are_read_like_text(running):
    async with challenged(running) as client:
        request = {"type": "req", "id": "b", "method": "connect", "params": connect_params()}
        await client.ws.send_bytes(msgspec.json.encode(request))
        assert (await client.answer("b"))["ok"] is True


REFUSED = [
    ("not json", None, 1000, ""),
    ("null", None, 1008, "invalid request frame"),
    ('{"type":"req","method":"connect"}', None, 1008, "invalid request frame"),
    (
        '{"type":"req","id":"x","method":"health"}',
        "invalid handshake: first request must be connect",
        1008,
        "invalid handshake: first request must be connect",
    ),
    (
        '{"type":"req","id":"x","method":"connect","params":{"minProtocol":3,"maxProtocol":3}}',
        "invalid connect params: must have required property 'client'",
        1008,
        "invalid connect params: must have required property 'client'",
    ),
]


@pytest.mark.parametrize(("text", "answer", "code", "reason"), REFUSED)
async def test_a_bad_beginning_ends_as_recorded(running, text, answer, code, reason):
    async with challenged(running) as client:
        await client.ws.send_str(text)
        if answer is not None:
            refused = await client.answer("x")
            assert refused["error"] == {"code": "INVALID_REQUEST", "message": answer}
        assert await client.closed() == (code, reason)


async def test_a_refused_connect_is_answered_then_closed(running):
    async with challenged(running) as client:
        answer = await client.connect(auth={"token": "wrong"})
        assert answer["error"]["message"] == "unauthorized: gateway token mismatch"
        assert await client.closed() == (1008, "unauthorized: gateway token mismatch")
    failures = running.metrics.handshake_failures.labels("token-mismatch")
    assert failures._value.get() == 1


async def test_a_refusal_keeps_its_own_close_code_and_details(running):
    running.admitter.error = ConnectRefused(
        "protocol mismatch", reason="protocol", close_code=1002, details={"expectedProtocol": 3}
    )
    async with challenged(running) as client:
        answer = await client.connect()
        assert answer["error"]["details"] == {"expectedProtocol": 3}
        assert await client.closed() == (1002, "protocol mismatch")


async def test_any_other_refusal_closes_too(running):
    running.admitter.error = Refused("not now")
    async with challenged(running) as client:
        assert (await client.connect())["error"]["message"] == "not now"
        assert await client.closed() == (1008, "not now")


async def test_a_broken_judge_tells_nothing(running):
    running.admitter.error = ValueError("internal-detail-4711")
    async with challenged(running) as client:
        answer = await client.connect()
        assert "4711" not in str(answer)
        assert answer["error"]["code"] == "UNAVAILABLE"
        assert (await client.closed())[0] == 1011


async def test_a_long_reason_is_cut_to_what_a_close_frame_carries(running):
    running.admitter.error = Refused("ä" * 200)
    async with challenged(running) as client:
        assert (await client.connect())["error"]["message"] == "ä" * 200
        code, reason = await client.closed()
        assert (code, len(reason.encode())) == (1008, 122)


async def test_requests_behind_connect_wait_until_it_is_judged(running):
    gate = running.admitter.gate = asyncio.Event()
    async with challenged(running) as client:
        for request_id, method in (("c", "connect"), ("h", "health"), ("c2", "connect")):
            params = connect_params() if method == "connect" else {}
            frame = {"type": "req", "id": request_id, "method": method, "params": params}
            await client.ws.send_str(msgspec.json.encode(frame).decode())
        gate.set()
        assert (await client.answer("c"))["ok"] is True
        assert (await client.answer("h"))["ok"] is True
        again = await client.answer("c2")
        assert again["error"]["message"] == "connect is only valid as the first request"


@pytest.mark.slow
async def test_who_does_not_connect_in_time_is_closed_with_1000(tmp_path):
    async with (
        running_server(tmp_path, limits=LimitSettings(handshake_timeout_s=1)) as running,
        challenged(running) as client,
    ):
        assert await client.closed() == (1000, "")
        assert running.server.caps.strangers == 0


@pytest.mark.slow
async def test_a_judge_that_hangs_does_not_hold_a_stranger_beyond_the_deadline(tmp_path):
    async with (
        running_server(tmp_path, limits=LimitSettings(handshake_timeout_s=1)) as running,
        challenged(running) as client,
    ):
        gate = running.admitter.gate = asyncio.Event()
        sending = asyncio.create_task(client.connect())
        with pytest.raises(EOFError):
            await sending
        gate.set()
        await asyncio.sleep(0.01)
        assert len(running.server.hub) == 0


async def test_who_leaves_while_being_judged_is_forgotten(running):
    gate = running.admitter.gate = asyncio.Event()
    async with challenged(running) as client:
        frame = {"type": "req", "id": "c", "method": "connect", "params": connect_params()}
        await client.ws.send_str(msgspec.json.encode(frame).decode())
        await until(lambda: running.admitter.nonces)
    gate.set()
    await until(lambda: running.server.caps.open == 0)
    assert len(running.server.hub) == 0


async def test_a_node_gets_no_numbers_and_no_chatter(running):
    async with challenged(running) as client:
        hello = await client.connect(role="node", scopes=[])
        assert hello["ok"]
        running.server.hub.publish(Event("chat", {}))
        running.server.hub.publish(Event("tick", {"ts": 1}))
        tick = await client.frame()
        assert tick == {"type": "event", "event": "tick", "payload": {"ts": 1}}
        assert (await client.call("health"))["error"]["message"] == "unauthorized role: node"


@pytest.mark.slow
async def test_events_are_numbered_and_others_see_who_comes_and_goes(running):
    async with challenged(running) as one:
        await one.connect()
        async with challenged(running) as two:
            await two.connect()
            first = await one.event("presence")
            assert len(first["payload"]["presence"]) >= 2
        later = await one.event("presence")
        assert later["seq"] > first["seq"]


async def test_leaving_frees_everything(running):
    async with challenged(running) as client:
        await client.connect()
        assert running.server.caps.strangers == 0
        assert (running.server.caps.open, len(running.server.hub)) == (1, 1)
    await until(lambda: running.server.caps.open == 0)
    assert len(running.server.hub) == 0
    assert running.metrics.ws_connections.labels("operator")._value.get() == 0
    assert running.metrics.ws_connections.labels("handshake")._value.get() == 0


async def test_who_is_told_goodbye_counts_for_nobody_from_that_moment(running):
    """Its socket may take its time; a revoked node must not be asked meanwhile (advisory Q10)."""
    async with challenged(running) as client:
        await client.connect()
        assert [word for word, _ in running.nodes.seen] == ["connected", "welcome"]
        running.server.hub.close(lambda _caller: True, "device token revoked")
        assert running.nodes.seen[-1] == ("disconnected", "gateway-client")
        assert await client.closed() == (1008, "device token revoked")
