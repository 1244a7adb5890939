"""Logins that were begun are known until they are forgotten, the newest few of them."""

from __future__ import annotations

from carapace.channels.accounts.signing import _MAX_OPEN, WebLogin


def test_a_login_is_known_by_its_account_until_it_is_forgotten():
    desk = WebLogin()
    desk.begin("zalo", "default", is_done=False)
    assert desk.channel_of("default") == "zalo"
    assert not desk.is_done("zalo", "default")
    desk.begin("zalo", "default", is_done=True)
    assert desk.is_done("zalo", "default")
    desk.forget("zalo", "default")
    desk.forget("zalo", "default")
    assert desk.channel_of("default") is None


def test_only_the_newest_are_kept():
    desk = WebLogin()
    for number in range(_MAX_OPEN + 1):
        desk.begin("zalo", f"a{number}", is_done=False)
    assert desk.channel_of("a0") is None
    assert desk.channel_of(f"a{_MAX_OPEN}") == "zalo"
