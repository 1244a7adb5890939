"""`channels.logout` and `web.login.*`: credentials go, accounts are cut, plugins are asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from carapace.channels.types import ChannelInfo
from carapace.errors import Refused
from carapace.methods.sign_in import METHODS
from carapace.plugins.errors import GuestError
from carapace.protocol.scopes import Scope
from support.methods import MethodHouse, method_house
from support.recording_channel import RecordingChannel

SECRET = "a-planted-secret-of-a-webhook"
QR = {"kind": "qr", "text": "Scan this.", "data": "data:image/png;base64,AAAA"}
WAIT = {"kind": "wait", "text": "Not yet.", "data": ""}
DONE = {"kind": "done", "text": "Zalo needs no sign-in.", "data": ""}


@pytest.fixture
async def house() -> AsyncGenerator[MethodHouse]:
    async with method_house() as one:
        yield one


def configure(house: MethodHouse, channels: dict[str, Any]) -> None:
    config = house.services.config
    config.write(json.dumps({"channels": channels}), base_hash=None)


def written(house: MethodHouse) -> Any:
    return json.loads(house.services.config.paths.config_path.read_text())["channels"]


def plugin(
    house: MethodHouse,
    login: Callable[..., Any],
    name: str = "zalo",
    credentials: tuple[str, ...] = (),
) -> None:
    house.services.accounts.add(RecordingChannel(ChannelInfo(id=name, label=name, order=50)))
    host = house.plugins.run(name, "channel", credentials=credentials)
    host.script(f"{name}:channel.login", login)


async def test_logging_out_removes_the_credentials_and_cuts_the_account_off(house: MethodHouse):
    configure(house, {"webhook": {"secret": SECRET, "dmPolicy": "open"}})
    assert house.services.accounts.get("webhook", "default") is not None
    told = await house.call("channels.logout", {"channel": " Webhook "})
    assert told == {
        "channel": "webhook",
        "accountId": "default",
        "cleared": True,
        "loggedOut": True,
    }
    assert written(house) == {"webhook": {"dmPolicy": "open"}}
    assert house.services.accounts.get("webhook", "default") is None
    again = await house.call("channels.logout", {"channel": "webhook"})
    assert (again["cleared"], again["loggedOut"]) == (False, False)


async def test_the_other_accounts_keep_theirs(house: MethodHouse):
    accounts = {"a": {"botToken": "ta", "name": "A"}, "b": {"botToken": "tb"}}
    configure(house, {"zalo": {"accounts": accounts}})
    plugin(house, lambda *_: DONE, credentials=("botToken",))
    told = await house.call("channels.logout", {"channel": "zalo", "accountId": "a"})
    assert (told["accountId"], told["cleared"], told["loggedOut"]) == ("a", True, True)
    assert written(house) == {"zalo": {"accounts": {"a": {"name": "A"}, "b": {"botToken": "tb"}}}}


async def test_an_account_whose_credential_stands_elsewhere_is_not_called_logged_out(
    house: MethodHouse,
):
    # What an included file says cannot be taken out of this one.
    folder = house.services.config.paths.config_path.parent
    (folder / "secret.json").write_text(json.dumps({"secret": SECRET}))
    configure(house, {"webhook": {"$include": "./secret.json"}})
    told = await house.call("channels.logout", {"channel": "webhook"})
    assert (told["cleared"], told["loggedOut"]) == (False, False)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"channel": "nope"}, r"^invalid channels\.logout channel$"),
        ({"channel": "telegram"}, r"^invalid channels\.logout channel$"),
        ({}, "must have required property 'channel'"),
        ({"channel": "webhook", "accountId": "gone"}, "no account gone of webhook"),
        ({"channel": "signal"}, r"^channel signal does not support logout$"),
    ],
)
async def test_what_cannot_be_logged_out_is_refused(
    house: MethodHouse, params: dict[str, Any], says: str
):
    signal = ChannelInfo(id="signal", label="Signal", order=60)
    house.services.accounts.add(RecordingChannel(signal))
    with pytest.raises(Refused, match=says):
        await house.call("channels.logout", params)


async def test_without_a_channel_that_offers_it_there_is_no_web_login(house: MethodHouse):
    for method in ("web.login.start", "web.login.wait"):
        with pytest.raises(Refused, match=r"^web login provider is not available$"):
            await house.call(method)
        with pytest.raises(Refused, match="unexpected property 'surprise'"):
            await house.call(method, {"surprise": 1})


async def test_a_code_to_scan_is_shown_and_the_login_waited_for(house: MethodHouse):
    steps, is_asked = iter([QR, WAIT, DONE]), asyncio.Event()

    def login(*_: Any) -> Any:
        step = next(steps)
        if step is WAIT:
            is_asked.set()
        return step

    plugin(house, login)
    assert await house.call("web.login.start", {"force": True}) == {
        "message": "Scan this.",
        "qrDataUrl": QR["data"],
    }
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(house.call("web.login.wait", {"timeoutMs": 20_000}))
        await is_asked.wait()
        await house.clock.advance(1.0)
    assert waiting.result() == {"connected": True, "message": "Signed in at zalo."}
    idle = await house.call("web.login.wait")
    assert idle == {"connected": False, "message": "No active login in progress."}
    (first, *_) = house.plugins.host.made("channel", "login")
    assert json.loads(first.arguments[1]) == {"force": True}


async def test_a_login_that_takes_too_long_can_be_waited_for_again(house: MethodHouse):
    plugin(house, lambda *_: WAIT)
    await house.call("web.login.start", {"accountId": "work"})
    for _ in range(2):
        told = await house.call("web.login.wait", {"accountId": "work", "timeoutMs": 0})
        assert told["connected"] is False
        assert "call web.login.wait again" in told["message"]


async def test_a_login_that_breaks_is_given_up(house: MethodHouse):
    steps = iter([{"kind": "link", "text": "Open", "data": "https://x.example"}])

    def login(*_: Any) -> Any:
        step = next(steps, None)
        if step is None:
            raise GuestError("broken", "no")
        return step

    plugin(house, login)
    assert await house.call("web.login.start") == {"message": "Open\nhttps://x.example"}
    told = await house.call("web.login.wait")
    assert told == {"connected": False, "message": "The login was given up."}


async def test_a_plugin_that_needs_no_sign_in_says_so_and_another_is_preferred(house: MethodHouse):
    plugin(house, lambda *_: DONE)
    assert await house.call("web.login.start") == {"message": DONE["text"]}
    plugin(house, lambda *_: {**QR, "data": "raw text of a code"}, name="zz")
    assert await house.call("web.login.start") == {"message": "Scan this.\nraw text of a code"}


async def test_logging_out_ends_a_login_that_waits(house: MethodHouse):
    configure(house, {"zalo": {"botToken": "t"}})
    plugin(house, lambda *_: WAIT, credentials=("botToken",))
    await house.call("web.login.start")
    await house.call("channels.logout", {"channel": "zalo"})
    told = await house.call("web.login.wait")
    assert told["message"] == "No active login in progress."


def test_adv_q20_signing_in_and_out_is_for_administrators_and_for_no_tool():
    assert {row.scope for row in METHODS.values()} == {Scope.ADMIN}


async def test_a_plugin_without_credentials_has_nothing_to_log_out_of(house: MethodHouse):
    configure(house, {"zalo": {"apiUrl": "http://127.0.0.1:9"}})
    plugin(house, lambda *_: DONE)
    with pytest.raises(Refused, match="channel zalo does not support logout"):
        await house.call("channels.logout", {"channel": "zalo"})
