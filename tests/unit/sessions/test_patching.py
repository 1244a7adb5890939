"""What a patch means, in the words clients know."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.errors import Refused
from carapace.ids import AgentId, SessionKey
from carapace.protocol.sessions import SessionsPatch
from carapace.sessions.patching import changes_of, split_model
from carapace.sessions.types import ModelRef, SessionEntry, SessionPolicy

POLICY = SessionPolicy(model=ModelRef("fake", "fake-1"))


def entry(key: str = "agent:main:x", spawned_by: str | None = None) -> SessionEntry:
    return SessionEntry(SessionKey(key), "id", AgentId("main"), 0, 0, spawned_by=spawned_by)


def changes(target: SessionEntry | None = None, /, **patch: Any) -> dict[str, Any]:
    return changes_of(
        SessionsPatch(key="x", **patch),
        target or entry(),
        POLICY,
        lambda ref: split_model(ref, POLICY),
    )


def test_what_is_absent_stays_and_null_clears():
    assert changes() == {}
    names = ("label", "thinking_level", "verbose_level", "exec_node", "send_policy")
    assert changes(**dict.fromkeys(names)) == dict.fromkeys(names)


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("label", " Golden label ", "Golden label"),
        ("thinking_level", "LOW", "low"),
        ("thinking_level", "on", "low"),
        ("thinking_level", "off", "off"),
        ("thinking_level", "xhigh", "xhigh"),
        ("verbose_level", "on", "on"),
        ("verbose_level", "full", "full"),
        ("reasoning_level", "stream", "stream"),
        ("elevated_level", "ask", "ask"),
        ("exec_host", "node", "node"),
        ("exec_security", "full", "full"),
        ("exec_ask", "on-miss", "on-miss"),
        ("exec_node", " mac ", "mac"),
        ("response_usage", "on", "tokens"),
        ("response_usage", "full", "full"),
        ("send_policy", "allow", "allow"),
        ("group_activation", "always", "always"),
    ],
)
def test_values_are_kept_in_one_form(field: str, given: str, kept: str):
    assert changes(None, **{field: given}) == {field: kept}


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (
            {"thinking_level": "enormous"},
            "invalid thinkingLevel (use off|minimal|low|medium|high)",
        ),
        ({"verbose_level": "loud"}, 'invalid verboseLevel (use "on"|"off")'),
        ({"reasoning_level": "x"}, 'invalid reasoningLevel (use "on"|"off"|"stream")'),
        ({"elevated_level": "x"}, 'invalid elevatedLevel (use "on"|"off"|"ask"|"full")'),
        ({"exec_host": "moon"}, 'invalid execHost (use "sandbox"|"gateway"|"node")'),
        ({"exec_security": "x"}, 'invalid execSecurity (use "deny"|"allowlist"|"full")'),
        ({"exec_ask": "x"}, 'invalid execAsk (use "off"|"on-miss"|"always")'),
        ({"exec_node": " "}, "invalid execNode: empty"),
        ({"label": " "}, "invalid label: empty"),
        ({"model": " "}, "invalid model: empty"),
        ({"model": "/x"}, "invalid model: /x (use provider/model)"),
        ({"model": "x/"}, "invalid model: x/ (use provider/model)"),
        ({"spawned_by": "agent:main:main"}, "spawnedBy is only supported for subagent:* sessions"),
        ({"spawned_by": " "}, "invalid spawnedBy: empty"),
    ],
)
def test_refusals_are_worded_as_clients_know_them(patch: dict[str, str], message: str):
    with pytest.raises(Refused) as caught:
        changes(None, **patch)
    assert caught.value.message == message
    assert caught.value.code == "INVALID_REQUEST"


def test_a_model_becomes_an_override_unless_it_is_the_default():
    none = {"provider_override": None, "model_override": None}
    other = {"provider_override": "fakeant", "model_override": "fake-2"}
    assert changes(model="fakeant/fake-2") == other
    assert changes(model="FakeAnt/fake-2") == other
    assert changes(model="nope/nope") == {"provider_override": "nope", "model_override": "nope"}
    assert changes(model="fake-9") == {"provider_override": "fake", "model_override": "fake-9"}
    assert changes(model="fake/fake-1") == none
    assert changes(model=None) == none


def test_a_slash_in_a_models_name_belongs_to_the_name():
    assert split_model("openrouter/meta/llama", POLICY) == ModelRef("openrouter", "meta/llama")


def test_a_bare_model_needs_a_default_provider():
    with pytest.raises(Refused, match="use provider/model"):
        split_model("fake-1", SessionPolicy())


def test_a_model_that_may_not_be_used_is_refused_by_whoever_decides():
    def refuse(ref: str) -> ModelRef:
        raise Refused(f"model not allowed: {ref}")

    with pytest.raises(Refused, match="model not allowed: a/b"):
        changes_of(SessionsPatch(key="x", model="a/b"), entry(), POLICY, refuse)


def test_a_parent_is_set_once():
    child = entry("agent:main:subagent:1")
    assert changes(child, spawned_by="agent:main:main") == {"spawned_by": "agent:main:main"}
    assert changes(child, spawned_by=None) == {"spawned_by": None}
    adopted = entry("agent:main:subagent:1", spawned_by="agent:main:main")
    assert changes(adopted, spawned_by="agent:main:main") == {"spawned_by": "agent:main:main"}
    with pytest.raises(Refused, match="cannot be changed once set"):
        changes(adopted, spawned_by="agent:main:other")
    with pytest.raises(Refused, match="cannot be cleared once set"):
        changes(adopted, spawned_by=None)
