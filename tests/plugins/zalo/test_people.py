"""A bot knows whom the configuration names, and who wrote to it and was let in."""

from __future__ import annotations

from typing import Any

import pytest
from carapace_zalo.accounts import Account
from carapace_zalo.people import Person, find, remember
from carapace_zalo.ports import Message, PortError
from carapace_zalo.webhook import Post

BOT = Account(name="default", token_name="t", people=("u1", "u2"), groups=("g1",))


def message(**more):
    told: Any = {"conversation_id": "u1", "sender_id": "u1", "sender_name": "Linh"}
    return Message(account="default", message_id="m1", **({"is_group": False} | told | more))


def test_those_in_the_configuration_are_known(house):
    assert find(house.ports.store, BOT, "", 10) == [
        Person("u1", None, is_group=False),
        Person("u2", None, is_group=False),
        Person("g1", None, is_group=True),
    ]


def test_who_was_let_in_is_known_by_name(house):
    remember(house.ports, message(), "accepted")
    assert find(house.ports.store, BOT, "linh", 10) == [Person("u1", "Linh", is_group=False)]


@pytest.mark.parametrize("status", ["asked", "dropped", "duplicate"])
def test_strangers_are_not_written_down(house, status):
    remember(house.ports, message(), status)
    assert house.store == {}


def test_a_group_has_not_the_name_of_who_wrote_there(house):
    remember(house.ports, message(conversation_id="g7", is_group=True), "buffered")
    assert find(house.ports.store, BOT, "g7", 10) == [Person("g7", None, is_group=True)]


def test_what_is_known_is_not_written_again(house, monkeypatch):
    remember(house.ports, message(), "accepted")
    monkeypatch.setattr(type(house.ports.store), "put", None)
    remember(house.ports, message(), "accepted")
    assert len(house.store) == 1


def test_a_full_store_costs_the_name_and_not_the_message(house, zalo, monkeypatch):
    def full(*_):
        raise PortError("quota", "the store is full")

    house.start()
    zalo.write("hello")
    monkeypatch.setattr(type(house.ports.store), "put", full)
    house.poll()
    assert [one.text for one in house.inbox] == ["hello"]
    assert house.lines[-1] == ("warn", "who wrote to default is not kept: the store is full")


def test_there_is_a_limit(house):
    assert len(find(house.ports.store, BOT, "u", 1)) == 1
    assert find(house.ports.store, BOT, "", -1) == []


def test_an_account_knows_its_own_people_only(house, zalo):
    house.accounts = ("default", "shop")
    house.start()
    house.start("shop")
    zalo.write("hello", sender="u9", name="An")
    house.poll()
    assert [one.name for one in house.plugin.directory("default", "", 5)] == ["An"]
    assert house.plugin.directory("shop", "", 5) == []
    with pytest.raises(PortError):
        house.plugin.directory("other", "", 5)


def test_who_writes_by_webhook_is_known_too(house, zalo):
    house.start(webhookUrl="https://gateway.example/plugins/zalo/hook")
    update = (
        '{"event_name": "message.text.received", "message": {"message_id": "m1", "text": "x",'
        ' "from": {"id": "u9", "name": "An"}, "chat": {"id": "u9", "chat_type": "PRIVATE"}}}'
    )
    headers = {
        "content-type": "application/json",
        "x-bot-api-secret-token": house.webhook_secret,
    }
    house.plugin.handle(Post(method="POST", path="/hook", headers=headers, body=update))
    assert [one.name for one in house.plugin.directory("default", "", 5)] == ["An"]
