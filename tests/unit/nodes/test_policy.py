"""What a node may be asked."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.auth.platform import Platform
from carapace.config.settings.nodes import NodesSettings
from carapace.nodes.policy import (
    ADMIN_COMMANDS,
    PLATFORM_COMMANDS,
    allowed_commands,
    asks_for_admin,
    needs_admin,
    refusal,
)
from support.nodes import live

PLAIN = NodesSettings()


def test_an_unknown_platform_is_asked_nothing() -> None:
    assert allowed_commands(Platform.UNKNOWN, PLAIN) == frozenset()


def test_every_platform_has_its_list() -> None:
    assert set(PLATFORM_COMMANDS) == set(Platform)


def test_phones_run_no_programs_and_computers_have_no_camera_but_the_mac() -> None:
    for phone in (Platform.IOS, Platform.ANDROID):
        assert "system.run" not in allowed_commands(phone, PLAIN)
    for computer in (Platform.LINUX, Platform.WINDOWS):
        assert "camera.snap" not in allowed_commands(computer, PLAIN)
        assert "system.run" in allowed_commands(computer, PLAIN)
    assert {"camera.snap", "system.run"} <= allowed_commands(Platform.MACOS, PLAIN)


def test_only_android_sends_messages() -> None:
    can = [one for one in Platform if "sms.send" in allowed_commands(one, PLAIN)]
    assert can == [Platform.ANDROID]


def test_the_settings_add_for_all_and_take_away_from_all() -> None:
    settings = NodesSettings(
        allow_commands=("door.open", " camera.snap "), deny_commands=("canvas.eval", "door.shut")
    )
    assert allowed_commands(Platform.UNKNOWN, settings) == {"door.open", "camera.snap"}
    assert "canvas.eval" not in allowed_commands(Platform.IOS, settings)


def test_a_denied_command_stays_denied_though_it_is_allowed_too() -> None:
    settings = NodesSettings(allow_commands=("x.y",), deny_commands=("x.y",))
    assert allowed_commands(Platform.IOS, settings) == allowed_commands(Platform.IOS, PLAIN)


@pytest.mark.parametrize(
    ("command", "commands", "reason"),
    [
        ("system.run", ("system.run",), "command not allowlisted"),
        ("camera.snap", (), "node did not declare commands"),
        ("camera.clip", ("camera.snap",), "command not declared by node"),
        ("camera.snap", ("camera.snap",), None),
    ],
)
def test_a_refusal_says_why(command: str, commands: tuple[str, ...], reason: str | None) -> None:
    assert refusal(command, live(commands=commands), PLAIN) == reason


def test_programs_and_browsers_need_an_administrators_approval() -> None:
    assert needs_admin(["camera.snap", "system.which"])
    assert needs_admin(["browser.proxy"])
    assert not needs_admin(["camera.snap", "canvas.eval"])
    assert needs_admin(ADMIN_COMMANDS)


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"path": "/"},
        {"method": "GET", "path": "/profiles"},
        {"method": "get", "path": "profiles/work"},
        {"method": "POST", "path": "/tabs/open", "body": {"url": "https://a.example"}},
        {"method": "DELETE", "path": "/tabs/4A2F.1"},
        {"method": "POST", "path": "/profiles-of-mine"},
        {"method": "POST", "path": "/act/"},
    ],
)
def test_a_browser_is_used_by_writers(params: Any) -> None:
    assert not asks_for_admin("browser.proxy", params)


@pytest.mark.parametrize(
    "params",
    [
        {"method": "POST", "path": "/profiles/create"},
        {"method": "DELETE", "path": "/profiles/work"},
        {"method": "put", "path": "Profiles/work/"},
        {"method": "POST", "path": "/reset-profile"},
        {"method": "GET", "path": "/reset-profile"},
        {"method": "POST", "path": "//profiles/create"},
        {"method": "POST", "path": "/tabs/../profiles/create"},
        {"method": "POST", "path": "/%70rofiles/create"},
        {"method": "POST", "path": "/profiles/create?x=1"},
        {"method": "POST", "path": "\\profiles\\create"},
        {"method": "POST", "path": " /profiles/create"},
        {"method": "POST", "path": "/profiles;a/create"},
        {"method": ["POST"], "path": "/"},
        {"path": ["/"]},
    ],
)
def test_its_profiles_are_changed_by_administrators_alone(params: Any) -> None:
    assert asks_for_admin("browser.proxy", params)


def test_programs_are_an_administrators_whatever_they_are() -> None:
    for command in ADMIN_COMMANDS:
        assert asks_for_admin(command, {"method": "GET", "path": "/"})
    assert not asks_for_admin("camera.snap", {"path": "/reset-profile"})
