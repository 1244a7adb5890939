"""What is sent becomes values, in the words of the Node gateway."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from carapace.triggers.hook_requests import (
    AgentHook,
    WakeHook,
    agent_hook,
    channel_of,
    idempotency_key,
    model_of,
    run_id_of,
    thinking_of,
    wake_hook,
)
from carapace.triggers.webhook_types import BadBody
from support.webhooks import raw


@pytest.mark.parametrize(
    ("body", "hook"),
    [
        ({"text": " a "}, WakeHook(text="a")),
        ({"text": "a", "mode": "now"}, WakeHook(text="a")),
        ({"text": "a", "mode": "next-heartbeat"}, WakeHook(text="a", mode="next-heartbeat")),
        ({"text": "a", "mode": "other", "more": 1}, WakeHook(text="a")),
    ],
)
def test_a_wake_has_a_text_and_a_mode(body: dict[str, Any], hook: WakeHook):
    assert wake_hook(body) == hook


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": " "}, {"text": 1}, {"text": None}])
def test_a_wake_without_text_is_refused(body: dict[str, Any]):
    with pytest.raises(BadBody, match="text required"):
        wake_hook(body)


def test_a_message_alone_takes_the_defaults():
    assert agent_hook({"message": " a "}, ()) == AgentHook(message="a")


def test_all_fields_are_taken_and_the_name_is_not():
    body = {
        "message": "hook hello",
        "name": "Golden",
        "agentId": " Work ",
        "sessionKey": " hook:golden ",
        "deliver": False,
        "wakeMode": "next-heartbeat",
        "channel": "last",
        "to": "x",
        "model": "fake/fake-1",
        "thinking": "LOW",
        "timeoutSeconds": 30,
        "unknown": [],
    }
    assert agent_hook(body, ("matrix",)) == AgentHook(
        message="hook hello",
        agent_id=" Work ",
        session_key="hook:golden",
        deliver=False,
        to="x",
        model="fake/fake-1",
        thinking=thinking_of("low"),
        timeout_s=30.0,
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "message required"),
        ({"message": " "}, "message required"),
        ({"message": 1}, "message required"),
        ({"message": "x", "channel": "nope"}, r"channel must be last\|matrix"),
        ({"message": "x", "channel": 1}, "channel must be"),
        ({"message": "x", "channel": ""}, "channel must be"),
        ({"message": "x", "model": " "}, "model required"),
        ({"message": "x", "model": 1}, "model required"),
        ({"message": "x", "sessionKey": 1}, "sessionKey must be a text"),
        ({"message": "x", "thinking": "hard"}, "thinking must be off"),
    ],
)
def test_what_makes_no_sense_is_refused(body: dict[str, Any], text: str):
    with pytest.raises(BadBody, match=text):
        agent_hook(body, ("matrix",))


@pytest.mark.parametrize(
    ("value", "timeout_s"),
    [
        (None, None),
        (0, None),
        (-1, None),
        (0.5, None),
        (True, None),
        ("30", None),
        (1.9, 1.0),
        (10**9, 86_400.0),
        (1e300, 86_400.0),
    ],
)
def test_a_time_is_whole_seconds_within_a_day(value: Any, timeout_s: float | None):
    assert agent_hook({"message": "x", "timeoutSeconds": value}, ()).timeout_s == timeout_s


def test_names_of_channels_and_models_and_levels():
    assert channel_of(None, ()) == "last"
    assert channel_of(" Matrix ", ("matrix",)) == "matrix"
    assert model_of(" a/b ") == "a/b"
    assert thinking_of(None) is None
    assert thinking_of("") is None


@pytest.mark.parametrize(
    ("headers", "body", "key"),
    [
        ({}, {}, None),
        ({}, {"id": ""}, None),
        ({}, {"id": None}, None),
        ({}, {"id": 7}, "7"),
        ({}, {"id": "b"}, "b"),
        ({}, {"id": "b", "idempotencyKey": "k"}, "k"),
        ({"Idempotency-Key": "h"}, {"id": "b"}, "h"),
    ],
)
def test_a_request_may_have_a_name(headers: dict[str, str], body: Any, key: str | None):
    assert idempotency_key(raw(headers=headers), body) == key


@pytest.mark.parametrize("value", ["x" * 257, "a\nb", ["a"], 1.5, True])
def test_a_name_is_a_short_plain_text(value: Any):
    with pytest.raises(BadBody, match="idempotency key"):
        idempotency_key(raw(), {"id": value})


def test_the_run_follows_from_path_and_name():
    run_id = run_id_of("/hooks/agent", "k")
    assert run_id == run_id_of("/hooks/agent", "k")
    assert uuid.UUID(run_id).version == 5
    assert run_id != run_id_of("/hooks/other", "k")
    assert run_id != run_id_of("/hooks/agent", "l")
    assert run_id_of("/hooks/agent", None) != run_id_of("/hooks/agent", None)
