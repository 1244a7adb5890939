"""Programs that the settings name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.config import programs as module
from carapace.config.catalogue import Entry, entries
from carapace.config.programs import programs, refuse_programs
from carapace.config.settings import Settings
from carapace.errors import Refused

PIPER: dict[str, Any] = {"messages": {"tts": {"piper": {"command": "/opt/piper"}}}}
FOLDERS: dict[str, Any] = {"tools": {"exec": {"pathPrepend": ["/opt/bin"]}}}


def settings_of(*parts: dict[str, Any]) -> Settings:
    return msgspec.convert({name: part[name] for part in parts for name in part}, Settings)


def test_defaults_name_none() -> None:
    assert programs(Settings()) == {}


def test_what_is_set_is_found_by_its_key() -> None:
    assert programs(settings_of(PIPER, FOLDERS)) == {
        "messages.tts.piper.command": "/opt/piper",
        "tools.exec.pathPrepend": ("/opt/bin",),
    }


def test_they_are_found_in_maps_and_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    def marked(key: tuple[str, ...]) -> Entry:
        [found] = [one for one in entries() if one.key == key]
        return Entry(key, msgspec.structs.replace(found.field, program=True))

    keys = [("models", "providers", "*", "baseUrl"), ("agents", "list", "*", "workspace")]
    monkeypatch.setattr(module, "entries", lambda: [marked(key) for key in keys])
    provider = {"baseUrl": "https://a.example/v1", "models": []}
    agents = [{"id": "main"}, {"id": "other", "workspace": "/w"}]
    given = settings_of({"models": {"providers": {"one": provider}}}, {"agents": {"list": agents}})
    assert programs(given) == {
        "models.providers.one.baseUrl": "https://a.example/v1",
        "agents.list[1].workspace": "/w",
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((), ()),
        ((PIPER, FOLDERS), (PIPER, FOLDERS)),
        ((PIPER, FOLDERS), (FOLDERS,)),
        ((PIPER,), (PIPER, {"gateway": {"port": 5}})),
    ],
)
def test_what_was_there_may_stay_or_go(before: Any, after: Any) -> None:
    refuse_programs(settings_of(*before), settings_of(*after))


@pytest.mark.parametrize(
    ("before", "key"),
    [
        ((), "messages.tts.piper.command"),
        (({"messages": {"tts": {"piper": {"command": "mine"}}}},), "messages.tts.piper.command"),
    ],
)
def test_another_one_is_refused_with_its_key(before: Any, key: str) -> None:
    with pytest.raises(Refused, match=key):
        refuse_programs(settings_of(*before), settings_of(PIPER))
