"""Agents as settings and IDENTITY.md describe them."""

from __future__ import annotations

from pathlib import Path

from carapace.agent.profiles import Profiles, parse_identity
from carapace.config.settings.agent_exec import AgentExec
from carapace.config.settings.agents import (
    AgentDefaults,
    AgentEntry,
    AgentIdentity,
    AgentsSettings,
)
from carapace.config.settings.tool_lists import AgentTools
from carapace.ids import AgentId

MAIN = AgentId("main")


def test_without_settings_there_is_one_agent_called_main(tmp_path: Path):
    profiles = Profiles(AgentsSettings(), state_dir=tmp_path)
    assert (profiles.ids, profiles.default_id) == (("main",), "main")
    looks = profiles.identity(MAIN)
    assert (looks.name, looks.avatar, looks.emoji) == ("Assistant", "A", None)
    assert profiles.rows()[0].identity is None
    assert profiles.get(MAIN).workspace.root == tmp_path / "workspace"


def test_an_unknown_agent_looks_like_anybody_and_chooses_no_folder(tmp_path: Path):
    profiles = Profiles(AgentsSettings(), state_dir=tmp_path)
    assert not profiles.knows("../../etc")
    assert profiles.identity(AgentId("nope")).name == "Assistant"
    assert profiles.get(AgentId("../../etc")).workspace.root == tmp_path / "workspace-unknown"


def test_settings_win_over_the_identity_file(tmp_path: Path):
    entry = AgentEntry(
        id="Shelly", default=True, name="S", identity=AgentIdentity(emoji="E", avatar="pic.png")
    )
    other = AgentEntry(id="second", workspace=str(tmp_path / "own"))
    profiles = Profiles(AgentsSettings(list=(other, entry)), state_dir=tmp_path)
    assert profiles.ids == ("shelly", "second")
    root = profiles.get(AgentId("shelly")).workspace.root
    root.mkdir(parents=True)
    (root / "IDENTITY.md").write_text("- **Name:** From file\n- Emoji: X\n- Vibe: calm\n")
    looks = profiles.identity(AgentId("shelly"))
    assert (looks.name, looks.avatar, looks.emoji) == ("From file", "pic.png", "E")
    assert profiles.get(AgentId("second")).workspace.root == tmp_path / "own"
    assert profiles.rows()[0].name == "S"


def test_workspaces_are_made_unless_a_setting_says_no(tmp_path: Path):
    quiet = AgentsSettings(defaults=AgentDefaults(skip_bootstrap=True))
    profiles = Profiles(quiet, state_dir=tmp_path)
    profiles.prepare()
    assert list(tmp_path.iterdir()) == []
    profiles.apply(AgentsSettings(defaults=AgentDefaults(workspace=str(tmp_path / "w"))))
    profiles.prepare()
    assert (tmp_path / "w" / "AGENTS.md").exists()
    assert profiles.get(MAIN) is profiles.get(MAIN)


def test_identity_lines_are_read_in_the_ways_people_write_them():
    text = "# Me\n- **Name:** Shelly\n* emoji: E\nCreature: crab\nName: other\nNot: this"
    assert parse_identity(text) == {"name": "Shelly", "emoji": "E", "theme": "crab"}


def test_an_agent_has_its_own_settings_for_commands_or_none(tmp_path: Path):
    own = AgentExec(security="allowlist")
    entries = (AgentEntry(id="Main", tools=AgentTools(exec=own)), AgentEntry(id="other"))
    profiles = Profiles(AgentsSettings(list=entries), state_dir=tmp_path)
    found = [profiles.get(AgentId(name)).exec for name in ("main", "other", "nobody")]
    assert found == [own, AgentExec(), AgentExec()]
