"""The native apps' contract: their exact connects, and every payload they decode.

The apps run on no machine of ours, so their side is replayed: connect params and patience
as their transport has them, and decoders as strict as theirs (`support/native_decoders.py`).
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from support.auth import Identity
from support.gateway import (
    TOKEN,
    Started,
    gateway_with_model,
)
from support.native.chat import AgentEvent
from support.native.frames import frame_of, whole
from support.native.hello import Health
from support.native_apps import (
    ANDROID,
    ANDROID_NODE,
    APPS,
    BRANDS,
    IOS,
    MACOS,
    MACOS_NODE,
    App,
    app_link,
    hello_of,
    prove,
)
from support.native_decoders import EVENTS, RESULTS, decode_event

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

CLIENT_DEADLINE_S = 30.0
DENIED_TO_NODES = (
    ("config.get", {}),
    ("chat.history", {"sessionKey": "main"}),
    ("sessions.list", {}),
    ("health", {}),
    ("chat.send", {"sessionKey": "main", "message": "hi", "idempotencyKey": "k"}),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Started]:
    home = tmp_path_factory.mktemp("native")
    async with gateway_with_model(home) as started:
        yield started


def key() -> str:
    """A new idempotency key."""
    return str(uuid.uuid4())


# ---- connecting ----------------------------------------------------------------------------


@pytest.mark.parametrize("brand", BRANDS)
@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
async def test_every_app_of_every_brand_connects_over_the_nonce(
    gateway: Started, app: App, brand: str
) -> None:
    async with app_link(gateway.url) as link:
        answer = await link.connect(app, Identity(), TOKEN, brand=brand)
        hello = hello_of(answer)
        assert (hello.type, hello.protocol) == ("hello-ok", 3)
        assert hello.auth is not None
        assert (hello.auth.role, hello.auth.scopes) == (app.role, sorted(app.scopes))
        assert hello.snapshot.session_defaults is not None
        assert hello.snapshot.session_defaults.main_session_key == "agent:main:main"
        assert set(hello.features.events) >= set(EVENTS) - {"connect.challenge"}


@pytest.mark.parametrize("brand", BRANDS)
@pytest.mark.parametrize("app", [MACOS, MACOS_NODE, IOS], ids=lambda app: app.name)
async def test_an_app_that_missed_the_challenge_connects_with_a_v1_signature(
    gateway: Started, app: App, brand: str
) -> None:
    async with app_link(gateway.url) as link:
        params = prove(app.params(brand), Identity(), nonce=None, secret=TOKEN)
        hello = hello_of(await link.request("connect", params))
        assert hello.auth is not None
        assert hello.auth.device_token


@pytest.mark.parametrize("app", [MACOS, IOS, ANDROID], ids=lambda app: app.name)
async def test_the_device_token_replaces_the_shared_one(gateway: Started, app: App) -> None:
    identity = Identity()
    async with app_link(gateway.url) as link:
        first = hello_of(await link.connect(app, identity, TOKEN)).auth
    assert first is not None
    async with app_link(gateway.url) as link:
        again = hello_of(await link.connect(app, identity, first.device_token)).auth
    assert again is not None
    assert (again.role, again.scopes) == (first.role, first.scopes)


async def test_a_stale_device_token_is_refused_and_the_shared_one_works_again(
    gateway: Started,
) -> None:
    """The apps drop the stored token on a failure and fall back."""
    identity = Identity()
    async with app_link(gateway.url) as link:
        refused = await link.connect(MACOS, identity, "0" * 43)
    assert not refused.ok
    assert refused.error is not None
    assert refused.error.code == "INVALID_REQUEST"
    assert refused.error.message.startswith("unauthorized")
    async with app_link(gateway.url) as link:
        assert hello_of(await link.connect(MACOS, identity, TOKEN)).auth is not None


async def test_androids_operator_needs_its_device(gateway: Started) -> None:
    """It connects under the control UI's id, and that id never comes without one."""
    async with app_link(gateway.url) as link:
        await link.nonce()
        params = ANDROID.params("openclaw", auth={"token": TOKEN})
        refused = await link.request("connect", params)
    assert not refused.ok
    assert refused.error is not None
    assert "HTTPS or localhost" in refused.error.message


async def test_a_mac_keeps_an_operator_and_a_node_on_one_identity(gateway: Started) -> None:
    identity = Identity()
    async with app_link(gateway.url) as operator, app_link(gateway.url) as node:
        one = hello_of(await operator.connect(MACOS, identity, TOKEN)).auth
        two = hello_of(await node.connect(MACOS_NODE, identity, TOKEN)).auth
        assert one is not None
        assert two is not None
        assert (one.role, two.role) == ("operator", "node")
        assert one.device_token != two.device_token
        assert (await operator.call("health")).ok is True


# ---- results -------------------------------------------------------------------------------


async def test_every_result_the_apps_decode_decodes(gateway: Started) -> None:
    """With a session that has answers, tokens and a title, so that rows are there to decode."""
    async with app_link(gateway.url) as mac:
        hello_of(await mac.connect(MACOS, Identity(), TOKEN))
        run = key()
        said = {"sessionKey": "main", "message": "hello decoders", "thinking": "low"}
        sent = await mac.call("chat.send", {**said, "idempotencyKey": run, "timeoutMs": 30000})
        assert (sent.run_id, sent.status) == (run, "started")
        await mac.until("chat", run_id=run, state="final")
        got = await _ask_everything(mac)
        assert set(got) | {"chat.send"} == set(RESULTS)
        assert [message.role for message in got["chat.history"].messages][:2] == [
            "user",
            "assistant",
        ]
        row = next(r for r in got["sessions.list"].sessions if r.key == "agent:main:main")
        assert row.total_tokens
        preview = got["sessions.preview"].previews[0]
        assert preview.items[-1].text.startswith("Echo: hello decoders")
        assert {model.provider for model in got["models.list"].models} == {"fake", "fakeant"}
        assert got["config.get"].valid is True


async def _ask_everything(mac: Any) -> dict[str, Any]:
    """Each method with the params the apps send, by name; destructive ones last."""
    other = "agent:main:scratch"
    await mac.call("agent", {"message": "x", "sessionKey": other, "idempotencyKey": (run := key())})
    await mac.until("chat", run_id=run, state="final")
    listing = {"includeGlobal": True, "includeUnknown": False, "limit": 50}
    asked: list[tuple[str, Any]] = [
        ("health", None),
        ("status", None),
        ("system-presence", None),
        ("last-heartbeat", None),
        ("models.list", None),
        ("config.get", None),
        ("config.schema", None),
        ("channels.status", {"probe": False, "timeoutMs": 8000}),
        ("chat.history", {"sessionKey": "main"}),
        ("sessions.list", listing),
        ("sessions.preview", {"keys": ["main"], "limit": 12, "maxChars": 240}),
        ("agent", {"message": "hi", "sessionKey": "main", "thinking": "low", "deliver": False,
                   "to": "", "channel": "last", "idempotencyKey": key()}),
        ("chat.abort", {"sessionKey": other}),
        ("sessions.patch", {"key": other, "thinkingLevel": "low", "model": None}),
        ("sessions.compact", {"key": other, "maxLines": 400}),
        ("sessions.reset", {"key": other}),
        ("sessions.delete", {"key": other, "deleteTranscript": True}),
    ]  # fmt: skip
    return {method: await mac.call(method, params) for method, params in asked}


async def test_an_answer_streams_as_events_the_apps_decode(gateway: Started) -> None:
    """The order the apps rely on; every event on the way decodes, or the link fails."""
    async with app_link(gateway.url) as phone:
        hello_of(await phone.connect(ANDROID, Identity(), TOKEN, brand="moltbot"))
        run = key()
        said = {"sessionKey": "main", "message": "[[tokens:30]] [[gap:10]]", "thinking": "off"}
        await phone.call("chat.send", {**said, "idempotencyKey": run, "timeoutMs": 30000})
        final = await phone.until("chat", run_id=run, state="final")
        assert final.session_key == "main"
        assert final.message.content[0].text.endswith("w29")
        mine = [frame for frame in phone.heard if frame.event in ("agent", "chat")]
        payloads = [decode_event(frame) for frame in mine]
        states = [p.state for p in payloads if not isinstance(p, AgentEvent)]
        assert states[0] == "delta"
        assert states[-1] == "final"
        seqs = [p.seq for p in payloads if isinstance(p, AgentEvent)]
        assert seqs == sorted(set(seqs))
        numbered = [frame.seq for frame in phone.heard if frame.seq is not None]
        assert numbered == list(range(numbered[0], numbered[0] + len(numbered)))


async def test_an_abort_is_an_event_the_apps_decode(gateway: Started) -> None:
    async with app_link(gateway.url) as mac:
        hello_of(await mac.connect(MACOS, Identity(), TOKEN))
        run = key()
        said = {"sessionKey": "abort-me", "message": "[[hang]]", "idempotencyKey": run}
        await mac.call("chat.send", said)
        await mac.until("chat", run_id=run, state="delta")
        stopped = await mac.call("chat.abort", {"sessionKey": "abort-me", "runId": run})
        assert stopped.run_ids == [run]
        await mac.until("chat", run_id=run, state="aborted")


async def test_presence_and_health_reach_an_operator_as_it_decodes_them(gateway: Started) -> None:
    async with app_link(gateway.url) as watcher:
        hello_of(await watcher.connect(MACOS, Identity(), TOKEN))
        async with app_link(gateway.url) as phone:
            hello_of(await phone.connect(IOS, Identity(), TOKEN))
            presence = await watcher.until("presence")
            assert all(entry.ts > 0 for entry in presence.presence)
        path = gateway.home / "carapace.json"
        config = json.loads(path.read_text())
        config["agents"]["defaults"]["timeoutSeconds"] = 500  # a live change is told as health
        path.write_text(json.dumps(config))
        health = await watcher.until("health")
        assert isinstance(health, Health)


# ---- the node role -------------------------------------------------------------------------


@pytest.mark.parametrize("app", [IOS, ANDROID_NODE, MACOS_NODE], ids=lambda app: app.name)
async def test_a_node_is_told_which_role_it_lacks(gateway: Started, app: App) -> None:
    """iOS of this release asks all of these on its node connection and expects the refusal."""
    async with app_link(gateway.url) as link:
        hello_of(await link.connect(app, Identity(), TOKEN))
        for method, params in DENIED_TO_NODES:
            answer = await link.request(method, params)
            assert not answer.ok
            assert answer.error is not None
            assert answer.error.code == "INVALID_REQUEST"
            assert answer.error.message == "unauthorized role: node"


async def test_a_node_hears_nothing_of_conversations(gateway: Started) -> None:
    async with app_link(gateway.url) as mac, app_link(gateway.url) as phone:
        hello_of(await mac.connect(MACOS, Identity(), TOKEN))
        hello_of(await phone.connect(IOS, Identity(), TOKEN))
        run = key()
        said = {"sessionKey": "main", "message": "between us", "idempotencyKey": run}
        await mac.call("chat.send", said)
        await mac.until("chat", run_id=run, state="final")
        await phone.request("health")  # what was sent before its answer has arrived with it
        assert {frame.event for frame in phone.heard} & {"agent", "chat"} == set()


# ---- the decoders themselves ---------------------------------------------------------------


@pytest.mark.parametrize("wire", ['{"ts":1.5}', '{"ts":1.0}', '[{"a":[1e3]}]'])
async def test_the_decoders_refuse_fractions(wire: str) -> None:
    with pytest.raises(ValueError, match="Int decoder"):
        whole(wire)


async def test_the_decoders_refuse_a_missing_field() -> None:
    frame = frame_of('{"type":"event","event":"health","payload":{"ts":1,"channels":{}}}')
    with pytest.raises(msgspec.ValidationError, match="durationMs"):
        decode_event(frame)  # type: ignore[arg-type] - an event by its type


# ---- the vendor's client over HTTP ---------------------------------------------------------


async def test_the_openai_package_chats_with_the_gateway_token(gateway: Started) -> None:
    openai = pytest.importorskip("openai")
    async with (
        asyncio.timeout(CLIENT_DEADLINE_S),
        openai.AsyncOpenAI(base_url=f"{gateway.http}/v1", api_key=TOKEN, max_retries=0) as client,
    ):
        asked = [{"role": "user", "content": "hello package"}]
        whole_answer = await client.chat.completions.create(model="openclaw", messages=asked)
        choice = whole_answer.choices[0]
        assert (choice.message.role, choice.message.content) == (
            "assistant",
            "Echo: hello package",
        )
        assert choice.finish_reason == "stop"
        assert whole_answer.usage is not None

        asked = [{"role": "user", "content": "[[tokens:20]] [[gap:5]]"}]
        stream = await client.chat.completions.create(model="openclaw", messages=asked, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        assert len([piece for piece in pieces if piece]) > 1
        assert "".join(pieces) == " ".join(f"w{n}" for n in range(20))


async def test_the_openai_package_gets_its_own_error_for_a_wrong_key(gateway: Started) -> None:
    openai = pytest.importorskip("openai")
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.http}/v1", api_key="wrong", max_retries=0
    ) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(
                model="openclaw", messages=[{"role": "user", "content": "hi"}]
            )
