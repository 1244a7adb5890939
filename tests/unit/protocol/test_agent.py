"""Wire types of the agent methods."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.agent import (
    AgentEvent,
    AgentFinal,
    AgentIdentity,
    AgentMeta,
    AgentParams,
    AgentPayload,
    AgentResult,
    AgentWait,
    AgentWaited,
    ResultMeta,
    TokenUsage,
)


def test_agent_params_take_what_the_stock_client_sends():
    params = msgspec.convert(
        {"message": "hi", "idempotencyKey": "k", "sessionKey": "main", "timeout": 60},
        AgentParams,
    )
    assert (params.message, params.timeout, params.attachments) == ("hi", 60, ())


@pytest.mark.parametrize(
    "bad",
    [
        {"message": "hi"},
        {"message": "", "idempotencyKey": "k"},
        {"message": "hi", "idempotencyKey": ""},
        {"message": "hi", "idempotencyKey": "k" * 257},
        {"message": "hi", "idempotencyKey": "k", "timeout": -1},
        {"message": "hi", "idempotencyKey": "k", "timeout": 1.5},
        {"message": "hi", "idempotencyKey": "k", "surprise": 1},
    ],
)
def test_agent_params_refuse_what_does_not_fit(bad: dict[str, object]):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, AgentParams)


def test_an_attachment_may_carry_fields_nobody_knows():
    params = msgspec.convert(
        {"message": "m", "idempotencyKey": "k", "attachments": [{"content": "QQ==", "odd": 1}]},
        AgentParams,
    )
    assert params.attachments[0].content == "QQ=="


def test_a_result_has_the_recorded_shape():
    usage = TokenUsage(input=1, output=2, cache_read=0, cache_write=0, total=3)
    meta = ResultMeta(
        duration_ms=7,
        agent_meta=AgentMeta(session_id="s", provider="p", model="m", usage=usage),
        aborted=False,
    )
    final = AgentFinal(
        run_id="r",
        status="ok",
        summary="completed",
        result=AgentResult(payloads=(AgentPayload(text="t", media_url=None),), meta=meta),
    )
    assert msgspec.to_builtins(final) == {
        "runId": "r",
        "status": "ok",
        "summary": "completed",
        "result": {
            "payloads": ({"text": "t", "mediaUrl": None},),
            "meta": {
                "durationMs": 7,
                "agentMeta": {
                    "sessionId": "s",
                    "provider": "p",
                    "model": "m",
                    "usage": {
                        "input": 1,
                        "output": 2,
                        "cacheRead": 0,
                        "cacheWrite": 0,
                        "total": 3,
                    },
                },
                "aborted": False,
            },
        },
    }


def test_an_event_names_every_field_of_the_recording():
    event = AgentEvent(
        run_id="r", stream="lifecycle", data={"phase": "start"}, session_key="main", seq=1, ts=5
    )
    assert set(msgspec.to_builtins(event)) == {
        "runId",
        "stream",
        "data",
        "sessionKey",
        "seq",
        "ts",
    }


def test_waiting_defaults_to_thirty_seconds_and_answers_without_nulls():
    assert msgspec.convert({"runId": "r"}, AgentWait).timeout_ms == 30_000
    waited = AgentWaited(run_id="r", status="timeout")
    assert msgspec.to_builtins(waited) == {"runId": "r", "status": "timeout"}


def test_an_identity_without_an_emoji_does_not_mention_it():
    identity = AgentIdentity(agent_id="main", name="Assistant", avatar="A")
    assert msgspec.to_builtins(identity) == {
        "agentId": "main",
        "name": "Assistant",
        "avatar": "A",
    }
