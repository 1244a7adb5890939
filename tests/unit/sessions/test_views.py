"""From what is stored to what clients are shown."""

from __future__ import annotations

import json

import msgspec

from carapace.ids import AgentId, SessionKey
from carapace.protocol.sessions import DeliveryContext, PreviewItem, SessionDefaults
from carapace.sessions.transcripts import Excerpt
from carapace.sessions.types import ModelRef, SessionEntry, SessionPolicy
from carapace.sessions.views import (
    defaults_of,
    not_compacted,
    preview_items,
    shown,
    state_of,
)
from support.transcripts import said


def test_defaults_name_the_model_in_parts():
    policy = SessionPolicy(model=ModelRef("fake", "fake-1"), context_tokens=128000)
    assert msgspec.to_builtins(defaults_of(policy)) == {
        "modelProvider": "fake",
        "model": "fake-1",
        "contextTokens": 128000,
    }
    assert defaults_of(SessionPolicy()) == SessionDefaults()


def test_an_entry_shows_what_it_knows_and_nothing_else():
    entry = SessionEntry(
        SessionKey("agent:main:x"),
        "id",
        AgentId("main"),
        1,
        2,
        label="L",
        delivery=DeliveryContext(channel="webchat"),
        provider_override="fakeant",
        model_override="fake-2",
        compaction_count=0,
        input_tokens=0,
    )
    assert msgspec.to_builtins(state_of(entry)) == {
        "sessionId": "id",
        "updatedAt": 2,
        "abortedLastRun": False,
        "label": "L",
        "deliveryContext": {"channel": "webchat"},
        "providerOverride": "fakeant",
        "modelOverride": "fake-2",
        "inputTokens": 0,
    }


def test_only_a_users_message_loses_its_id_line():
    text = "hello\n[message_id: 1]"
    user, model = said("a", text), said("b", text, "assistant")
    hidden = json.loads(bytes(shown("user", user.encode().decode())))
    assert hidden["content"] == [{"type": "text", "text": "hello"}]
    assert bytes(shown("assistant", model.encode().decode())) == model.encode()
    plain = said("c", "plain")
    assert bytes(shown("user", plain.encode().decode())) == plain.encode()


def test_a_picture_beside_the_text_is_untouched():
    body = (
        '{"role":"user","content":[{"type":"image","data":"AA=="},'
        '{"type":"text","text":"see\\n[message_id: 1]"}],"timestamp":1}'
    )
    assert json.loads(bytes(shown("user", body)))["content"] == [
        {"type": "image", "data": "AA=="},
        {"type": "text", "text": "see"},
    ]


def test_previews_name_roles_as_clients_do():
    roles = ("user", "assistant", "toolResult", "system")
    found = preview_items([Excerpt(role, "x" * 30) for role in roles], 20)
    cut = "x" * 17 + "..."
    assert found == [
        PreviewItem(role="user", text=cut),
        PreviewItem(role="assistant", text=cut),
        PreviewItem(role="tool", text=cut),
        PreviewItem(role="system", text=cut),
    ]


def test_not_compacted_says_why_or_what_stays():
    key = SessionKey("agent:main:x")
    assert msgspec.to_builtins(not_compacted(key, reason="no sessionId")) == {
        "ok": True,
        "key": "agent:main:x",
        "compacted": False,
        "reason": "no sessionId",
    }
    assert msgspec.to_builtins(not_compacted(key, kept=3))["kept"] == 3
