from __future__ import annotations

import json

import pytest

from carapace.errors import Failed, Refused
from carapace.plugins.errors import GuestError, GuestTrap
from support.methods import method_house

QUESTION = {
    "key": "botToken",
    "label": "Token",
    "help": "From the service.",
    "kind": "secret",
    "choices": [],
    "required": True,
}


@pytest.fixture
async def house():
    async with method_house() as one:
        yield one


def written(house):
    path = house.services.config.paths.config_path
    return json.loads(path.read_text())


async def test_its_questions_are_those_of_the_plugin(house):
    host = house.plugins.run("zalo", "channel", "setup")
    host.script("setup.questions", lambda account: [QUESTION | {"label": account}])
    answer = await house.call("plugins.setup.questions", {"id": "zalo", "accountId": "work"})
    assert answer == {"questions": [QUESTION | {"label": "work"}]}


async def test_the_settings_of_a_channel_go_to_its_account(house):
    host = house.plugins.run("zalo", "channel", "setup")
    host.script("setup.settings", lambda account, answers: answers)
    for account in ("default", "work"):
        params = {"id": "zalo", "accountId": account, "answers": {"botToken": f"secret-{account}"}}
        answer = await house.call("plugins.setup.apply", params)
        assert answer["ok"]
        assert "secret" not in str(answer)
    assert answer["keys"] == ["channels.zalo.accounts.work.botToken"]
    assert written(house) == {
        "channels": {
            "zalo": {
                "botToken": "secret-default",
                "accounts": {"work": {"botToken": "secret-work"}},
            }
        }
    }


async def test_the_plugin_sees_no_secret_and_it_is_written_all_the_same(house):
    host = house.plugins.run("zalo", "channel", "setup", credentials=("botToken", "webhookSecret"))
    host.script("setup.settings", lambda account, answers: answers)
    answers = {"botToken": "12:typed", "webhookSecret": "", "name": "Shop"}
    params = {"id": "zalo", "accountId": "work", "answers": answers}
    await house.call("plugins.setup.apply", params)
    (call,) = host.made("setup", "settings")
    assert json.loads(call.arguments[1]) == answers | {"botToken": "work/botToken"}
    assert written(house)["channels"]["zalo"]["accounts"]["work"] == answers


async def test_a_plugin_cannot_have_a_secret_written_where_it_may_read_it(house):
    host = house.plugins.run("zalo", "channel", "setup", credentials=("botToken",))
    host.script("setup.settings", lambda account, _: json.dumps({"name": f"{account}/botToken"}))
    params = {"id": "zalo", "answers": {"botToken": "12:typed"}}
    await house.call("plugins.setup.apply", params)
    assert written(house) == {"channels": {"zalo": {"name": "default/botToken"}}}


async def test_those_of_another_plugin_go_to_its_entry(house):
    host = house.plugins.run("weather", "tool", "setup")
    host.script("setup.settings", lambda account, answers: answers)
    await house.call("plugins.setup.apply", {"id": "weather", "answers": {"city": "Hanoi"}})
    assert written(house) == {"plugins": {"entries": {"weather": {"config": {"city": "Hanoi"}}}}}


@pytest.mark.parametrize("name", ["allowFrom", "groupAllowFrom", "accounts"])
async def test_a_plugin_cannot_let_anybody_in(house, name):
    host = house.plugins.run("zalo", "channel", "setup")
    host.script("setup.settings", lambda account, answers: json.dumps({name: ["*"]}))
    with pytest.raises(Refused, match="not its to write"):
        await house.call("plugins.setup.apply", {"id": "zalo"})
    assert not house.services.config.paths.config_path.exists()


async def test_what_the_plugin_does_not_take_is_told(house):
    def refuse(account, answers):
        raise GuestError("settings", "The token is too short.")

    host = house.plugins.run("zalo", "channel", "setup")
    host.script("setup.settings", refuse)
    with pytest.raises(Refused, match="too short"):
        await house.call("plugins.setup.apply", {"id": "zalo"})


@pytest.mark.parametrize("told", [7, "[]", "{", None])
async def test_settings_without_sense_are_not_written(house, told):
    host = house.plugins.run("zalo", "channel", "setup")
    host.script("setup.settings", lambda account, answers: told)
    with pytest.raises(Failed, match="makes no sense"):
        await house.call("plugins.setup.apply", {"id": "zalo"})


async def test_a_channel_can_be_probed_searched_and_signed_in_to(house):
    host = house.plugins.run("zalo", "channel")
    host.script("channel.probe", lambda account: '{"name": "bot"}')
    host.script("channel.resolve", lambda account, text: f"id-{text}")
    host.script(
        "channel.directory",
        lambda account, query, limit: [
            {"id": "1", "name": None, "chat_type": "direct"},
            {"id": "2", "name": "Group", "chat_type": "group"},
        ],
    )
    host.script(
        "channel.login",
        lambda account, answer: {"kind": "qr", "text": "Scan", "data": answer},
    )
    assert await house.call("plugins.channel.probe", {"id": "zalo"}) == {"account": {"name": "bot"}}
    assert await house.call("plugins.channel.resolve", {"id": "zalo", "text": "ann"}) == {
        "target": "id-ann"
    }
    answer = await house.call("plugins.channel.directory", {"id": "zalo", "limit": 1})
    assert answer == {"people": [{"id": "1", "chatType": "direct"}]}
    step = await house.call("plugins.channel.login", {"id": "zalo", "answer": {"a": 1}})
    assert step == {"kind": "qr", "text": "Scan", "data": '{"a":1}'}


async def test_one_that_broke_is_our_failure(house):
    def crash(account):
        raise GuestTrap("crash", "unreachable")

    host = house.plugins.run("zalo", "channel")
    host.script("channel.probe", crash)
    with pytest.raises(Failed, match="unreachable"):
        await house.call("plugins.channel.probe", {"id": "zalo"})


async def test_one_that_does_not_run_is_refused(house):
    with pytest.raises(Refused, match="does not run"):
        await house.call("plugins.channel.probe", {"id": "zalo"})
