"""Lists of tools: each can only take away."""

from __future__ import annotations

import pytest

from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.policy import (
    GROUPS,
    NO_LAYERS,
    PROFILES,
    Layer,
    ToolLayers,
    ToolScope,
    scope_of,
)
from carapace.provenance import OWNER, Authority, Origin, Provenance

MAIN = ToolScope(agent_id="main")
GROUP = ToolScope(agent_id="main", channel="zalo", account="work", group="g1")


def layer(*allow: str, deny: tuple[str, ...] = ()) -> Layer:
    return Layer("tools", allow=allow, deny=deny)


def test_without_a_list_everything_passes():
    assert NO_LAYERS.permits("anything", MAIN)
    assert layer().permits("read")


def test_deny_wins_over_allow():
    both = layer("read", "write", deny=("write",))
    assert [both.permits(name) for name in ("read", "write", "exec")] == [True, False, False]


@pytest.mark.parametrize("name", ["read", "write", "edit", "apply_patch", "read_skill"])
def test_a_group_stands_for_its_tools(name: str):
    assert layer("group:fs").permits(name)
    assert not layer(deny=("GROUP:FS ",)).permits(name)
    assert not layer("group:web").permits(name)


def test_every_memory_tool_of_ours_is_in_its_group():
    ours = {name for name in builtin_tools() if name.startswith("memory")}
    assert ours <= set(GROUPS["group:memory"])


def test_a_star_stands_for_any_letters_and_nothing_else_does():
    some = layer("plugin_*", "session?", "a.c")
    assert some.permits("plugin_x_y")
    assert not some.permits("sessions")
    assert not some.permits("abc")
    assert layer("*").permits("read")
    assert layer("group:plugins").permits("plugin_weather_now")
    assert layer("group:mcp").permits("mcp_files_read")
    assert not layer("group:mcp").permits("plugin_weather_now")


def test_names_of_old_are_understood():
    assert layer("bash").permits("exec")
    assert not layer(deny=("apply-patch",)).permits("apply_patch")


def test_a_narrower_layer_adds_nothing():
    layers = ToolLayers(
        everywhere=layer("read"), agents={"main": layer("read", "exec")}, profile=layer()
    )
    assert layers.permits("read", MAIN)
    assert not layers.permits("exec", MAIN)


def test_an_agent_with_a_profile_of_its_own_has_that_one_instead():
    layers = ToolLayers(profile=layer("session_status"), agent_profiles={"coder": layer()})
    assert not layers.permits("read", MAIN)
    assert layers.permits("read", ToolScope(agent_id="coder"))


def test_a_channel_and_its_groups_narrow_further():
    layers = ToolLayers(
        channels={"zalo": layer(deny=("exec",))},
        groups={
            ("zalo", "", "*"): layer("session_status"),
            ("zalo", "", "g1"): layer("read"),
            ("zalo", "work", "*"): layer("web_fetch"),
        },
    )
    direct = ToolScope(agent_id="main", channel="zalo")
    assert layers.permits("read", direct)
    assert not layers.permits("exec", direct)
    assert layers.permits("web_fetch", GROUP)
    assert not layers.permits("read", GROUP)
    other_account = ToolScope(agent_id="main", channel="zalo", account="x", group="g1")
    assert layers.permits("read", other_account)
    unnamed = ToolScope(agent_id="main", channel="zalo", group="g2")
    assert layers.permits("session_status", unnamed)
    assert layers.permits("exec", ToolScope(agent_id="main", channel="other", group="g1"))


def test_a_session_that_an_agent_opened_does_not_direct():
    child = ToolScope(agent_id="main", is_subagent=True)
    for name in ("sessions_send", "sessions_spawn", "cron", "agents_list", "memory_write"):
        assert NO_LAYERS.permits(name, MAIN)
        assert not NO_LAYERS.permits(name, child)
    assert NO_LAYERS.permits("read", child)


def test_names_that_stand_for_nothing_are_told_with_their_key():
    layers = ToolLayers(
        everywhere=Layer("tools", allow=("read", "raed", "group:fs"), deny=("group:x",)),
        agents={
            "a": Layer("agents.list[a].tools", allow=("plugin_later_on", "mcp_x_a", "web_*", "odd"))
        },
        subagents=layer(deny=("raed",)),
    )
    assert list(layers.unknown({"odd"})) == [
        ("tools", "raed"),
        ("tools", "group:x"),
        ("tools", "raed"),
    ]


def test_every_profile_is_made_of_known_names():
    for name, allowed in PROFILES.items():
        assert not list(Layer(name, allow=allowed).unknown(_all_names()))


def _all_names() -> set[str]:
    return {one for names in GROUPS.values() for one in names}


def test_a_scope_is_read_from_the_session_before_the_words():
    words = Provenance(
        origin=Origin.CHANNEL, authority=Authority.PAIRED, channel="webchat", account="work"
    )
    assert scope_of("agent:a:zalo:group:G:topic:5", words) == ToolScope(
        agent_id="a", channel="zalo", account="work", group="G"
    )
    assert scope_of("agent:a:zalo:direct:7", words).channel == "webchat"
    assert scope_of("agent:a:main", OWNER) == ToolScope(agent_id="a")


def test_advisory_j05_what_a_group_opened_is_bound_by_the_lists_of_the_group():
    child = scope_of("agent:a:subagent:x", OWNER, "agent:a:zalo:group:g1")
    assert child == ToolScope(
        agent_id="a", channel="zalo", group="g1", is_subagent=True, opened_by="a"
    )
    assert scope_of("agent:a:subagent:x", OWNER).is_subagent
    layers = ToolLayers(groups={("zalo", "", "g1"): layer("session_status")})
    assert not layers.permits("write", child)


def test_advisory_j05_another_agent_that_was_given_the_work_has_no_more_than_the_giver():
    layers = ToolLayers(
        profile=layer("read", "write"),
        agent_profiles={"wide": layer()},
        agents={"a": layer(deny=("write",))},
    )
    child = scope_of("agent:wide:subagent:x", OWNER, "agent:a:main")
    names = ("read", "write", "exec")
    assert [layers.permits(name, child) for name in names] == [True, False, False]
    alone = ToolScope(agent_id="wide")
    assert all(layers.permits(name, alone) for name in names)


CLAUDE = ToolScope(agent_id="main", models=("anthropic/claude", "openai/gpt"))


def test_a_model_has_the_lists_of_its_own_entry_or_else_of_its_provider():
    layers = ToolLayers(
        providers={
            ("", "openai"): (layer(deny=("exec",)),),
            ("", "openai/gpt"): (layer("read", "write"), layer("group:fs")),
            ("other", "anthropic"): (layer(deny=("read",)),),
        }
    )
    other = ToolScope(agent_id="main", models=("openai/mini",))
    assert [layers.permits(name, other) for name in ("read", "exec", "image")] == [
        True,
        False,
        True,
    ]
    gpt = ToolScope(agent_id="main", models=("openai/gpt",))
    assert [layers.permits(name, gpt) for name in ("read", "exec", "edit")] == [True, False, False]
    assert layers.permits("exec", MAIN)
    assert layers.permits("exec", ToolScope(agent_id="main", models=("anthropic/claude",)))


def test_a_turn_that_may_fall_back_has_what_all_its_models_may_have():
    layers = ToolLayers(providers={("", "openai"): (layer(deny=("exec",)),)})
    assert not layers.permits("exec", CLAUDE)
    assert layers.permits("read", CLAUDE)


def test_an_agents_own_list_for_a_provider_narrows_further_and_binds_what_it_opens():
    layers = ToolLayers(
        providers={
            ("", "openai"): (layer(deny=("exec",)),),
            ("main", "openai/gpt"): (layer(deny=("write",)),),
        }
    )
    opened = ToolScope(agent_id="other", opened_by="main", models=("openai/gpt",))
    for scope in (CLAUDE, opened):
        assert [layers.permits(name, scope) for name in ("exec", "write")] == [False, False]
    assert layers.permits("write", ToolScope(agent_id="other", models=("openai/gpt",)))


def test_names_of_models_are_compared_in_lower_case():
    scope = scope_of("agent:main:main", OWNER, models=("OpenAI/GPT",))
    assert scope.models == ("openai/gpt",)


def test_a_slip_in_a_providers_list_is_told():
    layers = ToolLayers(providers={("", "x"): (Layer("tools.byProvider.x", deny=("exce",)),)})
    assert list(layers.unknown(())) == [("tools.byProvider.x", "exce")]
