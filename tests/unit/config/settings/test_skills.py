"""Nothing of a skill is run, and its keys are hidden, unless somebody says otherwise."""

from __future__ import annotations

from carapace.config.catalogue import find
from carapace.config.redact import MARKER, redact_tree
from carapace.config.settings.skills import SkillsSettings


def test_nothing_is_installed_unless_it_is_allowed():
    assert not SkillsSettings().install.enabled


def test_everything_takes_effect_at_once():
    for key in ("load.extraDirs", "install.enabled", "entries.a.enabled", "entries.a.apiKey"):
        field = find(("skills", *key.split(".")))
        assert field is not None
        assert field.live, key


def test_keys_of_skills_are_hidden_and_their_settings_are_not():
    entry = {"apiKey": "k", "env": {"CRAB": "v"}, "config": {"beach": "north", "token": "t"}}
    shown = redact_tree({"skills": {"entries": {"a": entry}}})
    assert shown["skills"]["entries"]["a"] == {
        "apiKey": MARKER,
        "env": {"CRAB": MARKER},
        "config": {"beach": "north", "token": MARKER},
    }
