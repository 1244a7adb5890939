from __future__ import annotations

import json

import pytest

from carapace.channels.builtin.ports import Accepted
from carapace.errors import Failed, Refused
from carapace.triggers.channel_webhooks import ChannelWebhooks
from carapace.triggers.webhook_types import Step
from support.webhooks import SECRET, kernel_rig

PATH = "/channels/webhook/a"


@pytest.fixture
async def rig():
    async with kernel_rig() as one:
        yield one


@pytest.fixture
def door(rig):
    return ChannelWebhooks(rig.kernel)


def body_of(answer):
    return json.loads(answer.body)


async def accept(value):
    return Accepted(status=202, body={"ok": True, "got": value})


async def test_a_signed_message_reaches_the_account(rig, door):
    door.open("a", SECRET, accept)
    answer = await rig.signed(b'{"id": "1"}', PATH)
    assert answer.status == 202
    assert answer.content_type.startswith("application/json")
    assert body_of(answer) == {"ok": True, "got": {"id": "1"}}
    assert rig.steps[-3:] == [Step.AUTHORISE, Step.PERSIST, Step.ANSWER]


async def test_without_a_right_signature_nothing_reaches_it(rig, door):
    seen = []

    async def note(value):
        seen.append(value)
        return await accept(value)

    door.open("a", SECRET, note)
    assert (await rig.send(PATH, b"{}")).status == 401
    assert (await rig.signed(b"{}", PATH, secret="another-secret-of-a-stranger")).status == 401
    assert seen == []


async def test_a_replayed_request_is_told_to_be_one_and_handled_once(rig, door):
    seen = []

    async def note(value):
        seen.append(value)
        return await accept(value)

    door.open("a", SECRET, note)
    await rig.signed(b'{"id": "1"}', PATH)
    answer = await rig.signed(b'{"id": "1"}', PATH)
    assert answer.status == 200
    assert len(seen) == 1


async def test_an_account_that_is_not_open_is_not_there(rig, door):
    assert (await rig.signed(b"{}", PATH)).status == 404
    shut = door.open("a", SECRET, accept)
    shut()
    assert (await rig.signed(b"{}", PATH)).status == 404
    door.open("a", SECRET, accept)
    assert (await rig.signed(b'{"id": "2"}', PATH)).status == 202


@pytest.mark.parametrize(
    ("error", "status"),
    [(Refused("no"), 400), (Refused("full", retryable=True), 503), (Failed("disk"), 503)],
)
async def test_a_refusal_is_json_too(rig, door, error, status):
    async def refuse(value):
        raise error

    door.open("a", SECRET, refuse)
    answer = await rig.signed(b"{}", PATH)
    assert answer.status == status
    assert body_of(answer) == {"ok": False, "error": error.message}


@pytest.mark.parametrize("body", [b"[1]", b"nonsense", b'{"a":' * 100 + b"1" + b"}" * 100])
async def test_a_body_that_is_no_object_is_refused(rig, door, body):
    door.open("a", SECRET, accept)
    answer = await rig.signed(body, PATH)
    assert answer.status == 400
    assert body_of(answer)["ok"] is False


async def test_an_account_has_its_own_secret(rig, door):
    other = "the-secret-of-the-other-account"
    door.open("a", SECRET, accept)
    door.open("b", other, accept)
    assert (await rig.signed(b"{}", PATH, secret=other)).status == 401
    assert (await rig.signed(b"{}", "/channels/webhook/b", secret=other)).status == 202


@pytest.mark.parametrize("name", ["a/b", "", "ü", "a b", "..", "*"])
async def test_a_name_that_cannot_be_part_of_a_path_is_refused(door, name):
    with pytest.raises(Refused):
        door.open(name, SECRET, accept)


async def test_an_account_is_served_once(door):
    door.open("a", SECRET, accept)
    with pytest.raises(Refused, match="taken"):
        door.open("a", SECRET, accept)
