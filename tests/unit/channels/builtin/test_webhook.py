from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from carapace.channels.builtin import webhook
from carapace.channels.builtin.webhook import WebhookChannel, callback_policy
from carapace.channels.types import (
    Dead,
    Delivered,
    Outgoing,
    ReceiptStatus,
    RetryAfter,
    Target,
    Unknown,
)
from carapace.errors import Refused
from support.clock import FakeClock
from support.egress import NameTable, make_egress
from support.recording_channel import RecordingIntake
from support.webhook_receiver import Reply, webhook_receiver

SECRET = "s" * 32
TARGET = Target(channel="webhook", account="a", conversation="c")
OUTGOING = Outgoing(target=TARGET, idempotency_key="run/1", text="hi")


class Door:
    """Keeps what was opened; refuses a name that holds a slash."""

    def __init__(self):
        self.handles = {}

    def open(self, account, secret, handle):
        if "/" in account:
            raise Refused("no webhook path")
        self.handles[account] = (secret, handle)
        return lambda: self.handles.pop(account)

    async def send(self, account="a", **value):
        message = {"id": "1", "sender": {"id": "me"}, "text": "hi", **value}
        return await self.handles[account][1](message)


@pytest.fixture
def door():
    return Door()


@pytest.fixture
def intake():
    return RecordingIntake()


@pytest.fixture
async def receiver():
    async with webhook_receiver() as one:
        yield one


@pytest.fixture
def channel(door, tmp_path):
    egress, _ = make_egress(tmp_path, names=NameTable(a_example=[["10.0.0.1"]]))
    return WebhookChannel(door, egress, clock=FakeClock())


@pytest.fixture
async def account(channel, intake, receiver):
    one = await channel.open("a", {"secret": SECRET, "callbackUrl": receiver.url}, intake)
    yield one
    await one.aclose()


async def test_a_post_is_signed_and_carries_its_key(account, receiver):
    assert await account.send(OUTGOING) == Delivered(message_id="id-1")
    (post,) = receiver.posts
    assert post.path == "/in?token=url-token"
    assert post.headers["idempotency-key"] == "run/1"
    assert post.headers["content-type"] == "application/json"
    assert post.headers["x-carapace-signature"] == webhook.sign(
        SECRET, post.body, FakeClock().now_ms() // 1000
    )
    assert post.json["text"] == "hi"


async def test_the_callback_has_a_secret_of_its_own_if_it_wants(channel, intake, receiver):
    settings = {"callbackUrl": receiver.url, "secret": SECRET, "callbackSecret": "c" * 32}
    account = await channel.open("a", settings, intake)
    await account.send(OUTGOING)
    post = receiver.posts[0]
    assert post.headers["x-carapace-signature"] == webhook.sign(
        "c" * 32, post.body, FakeClock().now_ms() // 1000
    )
    await account.aclose()


@pytest.mark.parametrize("manner", ["reset", "reset-unread", "garbage"])
async def test_a_lost_answer_is_unknown(account, receiver, manner):
    receiver.script(Reply(manner=manner))
    assert isinstance(await account.send(OUTGOING), Unknown)


async def test_an_answer_cut_short_still_says_what_its_status_said(account, receiver):
    receiver.script(Reply(200, body=b'{"id": "x"', manner="partial"))
    assert await account.send(OUTGOING) == Delivered()


async def test_a_body_that_never_ends_is_not_waited_for(account, receiver, monkeypatch):
    monkeypatch.setattr(webhook, "_BODY_TIMEOUT_S", 0.05)
    receiver.script(Reply(200, manner="stall"))
    assert await account.send(OUTGOING) == Delivered()


async def test_a_huge_answer_is_not_read(account, receiver):
    receiver.script(Reply(200, body=b'{"id": "' + b"x" * 200_000))
    assert await account.send(OUTGOING) == Delivered()


async def test_a_silent_receiver_is_unknown_after_the_deadline(
    channel, intake, receiver, monkeypatch
):
    monkeypatch.setattr(webhook, "_ANSWER_TIMEOUT_S", 0.05)
    account = await channel.open("a", {"secret": SECRET, "callbackUrl": receiver.url}, intake)
    receiver.script(Reply(manner="hang"))
    assert isinstance(await account.send(OUTGOING), Unknown)
    await account.aclose()


async def test_nobody_there_is_tried_again_later(account, receiver):
    await receiver.stop()
    outcome = await account.send(OUTGOING)
    assert isinstance(outcome, RetryAfter)
    assert "could not be reached" in outcome.reason


async def test_an_answer_says_what_became_of_it(account, receiver):
    receiver.script(Reply(429, {"Retry-After": "9"}), Reply(404), Reply(500))
    assert await account.send(OUTGOING) == RetryAfter(
        reason="the receiver answered 429", after_s=9.0
    )
    assert isinstance(await account.send(OUTGOING), Dead)
    assert isinstance(await account.send(OUTGOING), Unknown)


async def test_a_redirect_is_not_followed(account, receiver):
    receiver.script(Reply(307, {"Location": "http://127.0.0.1:1/"}))
    assert isinstance(await account.send(OUTGOING), Dead)
    assert len(receiver.posts) == 1


async def test_a_public_name_with_a_private_address_is_refused(channel, intake):
    settings = {"secret": SECRET, "callbackUrl": "https://a.example/in"}
    account = await channel.open("a", settings, intake)
    outcome = await account.send(OUTGOING)
    assert isinstance(outcome, Dead)
    assert "allowPrivate" in outcome.reason
    await account.aclose()


async def test_media_are_told_by_id_and_by_a_link_if_there_is_one(door, tmp_path, receiver, intake):
    async def link(media_id):
        return f"https://gw.example/{media_id}" if media_id == "m1" else None

    egress, _ = make_egress(tmp_path)
    channel = WebhookChannel(door, egress, clock=FakeClock(), media_link=link)
    account = await channel.open("a", {"secret": SECRET, "callbackUrl": receiver.url}, intake)
    await account.send(Outgoing(target=TARGET, idempotency_key="k", media=("m1", "m2")))
    assert receiver.posts[0].json["media"] == [
        {"id": "m1", "url": "https://gw.example/m1"},
        {"id": "m2", "url": None},
    ]
    await account.aclose()


async def test_a_strange_key_cannot_break_the_request(account, receiver):
    await account.send(Outgoing(target=TARGET, idempotency_key="a\r\nX-Evil: 1"))
    post = receiver.posts[0]
    assert "x-evil" not in post.headers
    assert post.json["idempotencyKey"] == "a\r\nX-Evil: 1"


async def test_a_signed_message_goes_to_the_intake(account, door, intake):
    accepted = await door.send()
    assert (accepted.status, accepted.body) == (202, {"ok": True, "status": "accepted"})
    assert intake.received[0].channel == "webhook"
    assert intake.received[0].account == "a"
    assert door.handles["a"][0] == SECRET


async def test_the_same_message_again_is_told_to_be_one(account, door):
    await door.send()
    accepted = await door.send()
    assert (accepted.status, accepted.body["status"]) == (200, "duplicate")


async def test_a_message_that_policy_drops_is_told_why(account, door, intake, monkeypatch):
    async def drop(message):
        return webhook_receipt

    webhook_receipt = type(await intake.receive(_any_message()))(
        status=ReceiptStatus.DROPPED, reason="not on the list"
    )
    monkeypatch.setattr(intake, "receive", drop)
    accepted = await door.send()
    assert accepted.status == 403
    assert accepted.body == {"ok": False, "status": "dropped", "reason": "not on the list"}


def _any_message():
    return webhook.decode_message(
        {"id": "0", "sender": {"id": "me"}}, channel="webhook", account="a"
    )


async def test_an_account_may_only_receive(channel, door, intake):
    account = await channel.open("a", {"secret": SECRET}, intake)
    assert "callbackUrl" in (account.trouble() or "")
    assert isinstance(await account.send(OUTGOING), RetryAfter)
    await door.send()
    await account.aclose()


async def test_an_account_may_only_send(channel, door, intake, receiver):
    settings = {"callbackUrl": receiver.url, "callbackSecret": SECRET}
    account = await channel.open("a", settings, intake)
    assert door.handles == {}
    assert await account.send(OUTGOING) == Delivered(message_id="id-1")
    await account.aclose()


async def test_a_closed_account_neither_receives_nor_sends(account, door, receiver):
    handle = door.handles["a"][1]
    await account.aclose()
    await account.aclose()
    assert door.handles == {}
    assert account.trouble() == "it is closed"
    assert isinstance(await account.send(OUTGOING), RetryAfter)
    with pytest.raises(Refused):
        await handle({"id": "1", "sender": {"id": "me"}})
    assert receiver.posts == []


async def test_repeats_are_dropped_only_if_every_receiver_drops_them(channel, intake, receiver):
    assert not channel.info.drops_repeats
    settings = {"secret": SECRET, "callbackUrl": receiver.url}
    one = await channel.open("a", {**settings, "dropsRepeats": True}, intake)
    assert channel.info.drops_repeats
    two = await channel.open("b", settings, intake)
    assert not channel.info.drops_repeats
    await two.aclose()
    assert channel.info.drops_repeats
    await one.aclose()


async def test_cancelled_while_waiting_it_lets_go(account, receiver):
    receiver.script(Reply(manner="hang"))
    task = asyncio.create_task(account.send(OUTGOING))
    await receiver.posted(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({}, "neither a secret"),
        ({"secret": "short"}, "shorter than 16"),
        ({"secret": " " * 40}, "shorter than 16"),
        ({"secret": SECRET, "callbackSecret": "x"}, "callbackSecret"),
        ({"callbackUrl": "https://a.example"}, "nothing to sign with"),
        ({"secret": SECRET, "callbackUrl": "ftp://a.example"}, "callbackUrl"),
        ({"secret": SECRET, "callbackUrl": "http://a.example"}, "https"),
        ({"secret": SECRET, "callbackUrl": "https://u:p@a.example"}, "callbackUrl"),
        ({"secret": SECRET, "surprise": 1}, "surprise"),
        ({"secret": 12345678901234567890}, "secret"),
    ],
)
async def test_settings_that_are_not_enough_are_refused_with_what_is_missing(
    channel, intake, settings, word
):
    with pytest.raises(Refused, match=word):
        await channel.open("a", settings, intake)


async def test_a_name_that_cannot_be_a_path_is_refused_and_leaves_nothing(
    channel, intake, receiver
):
    settings = {"secret": SECRET, "callbackUrl": receiver.url, "dropsRepeats": True}
    with pytest.raises(Refused, match="path"):
        await channel.open("a/b", settings, intake)
    with pytest.raises(Refused, match="path"):
        await channel.open("a/b", {"secret": SECRET}, intake)
    assert not channel.info.drops_repeats


@pytest.mark.parametrize(
    ("url", "allow_private", "hosts"),
    [
        ("http://localhost:8080/x", None, {("localhost", 8080)}),
        ("http://127.0.0.1/x", None, {("127.0.0.1", 80)}),
        ("https://10.1.2.3", None, {("10.1.2.3", 443)}),
        ("http://box.lan:9/", True, {("box.lan", 9)}),
        ("https://a.example", None, set()),
        ("https://127.0.0.1", False, set()),
    ],
)
def test_only_the_callbacks_own_host_is_reached_and_private_only_if_meant(
    url, allow_private, hosts
):
    policy = callback_policy(url, allow_private=allow_private)
    assert policy.allow_hosts == hosts
    assert policy.only_hosts is not None
    assert len(policy.only_hosts) == 1
    assert policy.max_redirects == 0


def test_the_cloud_metadata_service_is_never_reached():
    policy = callback_policy("http://169.254.169.254/x", allow_private=True)
    assert policy.refuse_addresses(
        "169.254.169.254",
        80,
        [ip_address("169.254.169.254")],
    )


async def test_its_secrets_are_told_to_the_log(door, tmp_path, intake, receiver):
    told: list[str] = []
    egress, _ = make_egress(tmp_path)
    channel = WebhookChannel(door, egress, clock=FakeClock(), add_secret=told.append)
    one = await channel.open("a", {"secret": SECRET}, intake)
    settings = {"secret": SECRET, "callbackUrl": receiver.url, "callbackSecret": "c" * 32}
    two = await channel.open("b", settings, intake)
    assert told == [SECRET, SECRET, "c" * 32]
    await one.aclose()
    await two.aclose()


async def test_neither_secret_nor_address_shows(account):
    assert SECRET not in repr(account)
    assert "url-token" not in repr(account)
