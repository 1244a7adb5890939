from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from carapace.channels.access.service import MAX_WAITING, REQUEST_TTL_MS, AccessService
from carapace.channels.access.types import Approver
from carapace.channels.outbox import records as outbox_records
from carapace.channels.outbox.types import OutboxState
from carapace.channels.policy import Accept, Ask, Buffer, Drop, DropReason
from carapace.channels.types import ChatType, EventKind, Outgoing, Quote, Target
from carapace.errors import Failed, Refused
from carapace.provenance import OWNER, Authority
from carapace.store.ports import Tx
from support.chat_people import access_settings, house, said

T = TypeVar("T")

ME = Approver(name="operator", authority=Authority.OWNER)
HOUR_S = REQUEST_TTL_MS / 1000


# asking


async def test_a_stranger_is_told_a_code_once():
    async with house() as home:
        first = await home.ask(said(name="Al"))
        again = await home.ask(said())
        assert first.created
        assert first.code in first.text
        assert (again.created, again.code) == (False, first.code)
        (waiting,) = await home.access.pending()
        assert (waiting.sender_id, waiting.display_name) == ("alice", "Al")
        kinds = [line["kind"] for line in home.trail()]
        assert kinds == ["channel.pairing_requested"]
        assert first.code not in str(home.trail())


async def test_the_same_person_at_another_account_asks_anew():
    async with house() as home:
        codes = {
            (await home.ask(said(account=account, channel=channel))).code
            for account, channel in (("a", "webhook"), ("b", "webhook"), ("a", "telegram"))
        }
        assert len(codes) == 3


async def test_after_an_hour_there_is_a_new_code():
    async with house() as home:
        first = await home.ask(said())
        await home.clock.advance(HOUR_S)
        assert await home.access.pending() == []
        second = await home.ask(said())
        assert second.created
        assert second.code != first.code


async def test_only_a_few_may_wait_and_the_others_hear_nothing():
    async with house() as home:
        for number in range(MAX_WAITING):
            assert (await home.ask(said(sender=f"s{number}"))).created
        full = await home.ask(said(sender="late"))
        assert (full.code, full.created, full.text, full.is_allowed) == (None, False, "", False)
        assert not (await home.ask(said(sender="s0"))).created
        elsewhere = await home.ask(said(sender="late", account="two"))
        assert elsewhere.created
        await home.clock.advance(HOUR_S)
        assert (await home.ask(said(sender="late"))).created


async def test_no_two_wait_with_one_code():
    codes = iter(["AAAAAAAA", "AAAAAAAA", "BBBBBBBB"])
    async with house(make_code=lambda: next(codes)) as home:
        assert (await home.ask(said())).code == "AAAAAAAA"
        assert (await home.ask(said(sender="bob"))).code == "BBBBBBBB"


async def test_a_long_name_is_cut():
    async with house() as home:
        await home.ask(said(name="x" * 1_000))
        (waiting,) = await home.access.pending()
        assert waiting.display_name == "x" * 256


# letting in


async def test_who_is_approved_may_write_from_then_on():
    async with house() as home:
        reply = await home.ask(said(where="chat-1"))
        assert home.access.judge(said()) == Ask()
        approved = await home.access.approve("webhook", reply.code.lower(), ME)
        assert approved.target == Target(
            channel="webhook", account="default", conversation="chat-1"
        )
        assert approved.note
        verdict = home.access.judge(said())
        assert isinstance(verdict, Accept)
        assert verdict.provenance.authority is Authority.PAIRED
        assert await home.access.pending() == []
        (allowed,) = await home.access.allowed()
        assert (allowed.sender_id, allowed.approved_by) == ("alice", "operator")
        line = home.trail()[-1]
        assert (line["kind"], line["sender"], line["by"]) == (
            "channel.pairing_approved",
            "alice",
            "operator",
        )


async def test_an_approval_is_for_one_account():
    async with house() as home:
        reply = await home.ask(said())
        await home.access.approve("webhook", reply.code, ME)
        assert home.access.judge(said(channel="telegram")) == Ask()
        settings = access_settings(webhook={"accounts": {"default": {}, "two": {}}})
        home.access.apply(settings)
        assert isinstance(home.access.judge(said()), Accept)
        assert home.access.judge(said(account="two")) == Ask()


async def test_a_code_is_good_once():
    async with house() as home:
        reply = await home.ask(said())
        await home.access.approve("webhook", reply.code, ME)
        with pytest.raises(Refused, match="used up"):
            await home.access.approve("webhook", reply.code, ME)


async def test_of_two_approvals_at_once_one_wins():
    async with house() as home:
        reply = await home.ask(said())
        done: list[bool] = []

        async def approve() -> None:
            try:
                await home.access.approve("webhook", reply.code, ME)
                done.append(True)
            except Refused:
                done.append(False)

        async with asyncio.TaskGroup() as group:
            group.create_task(approve())
            group.create_task(approve())
        assert sorted(done) == [False, True]
        assert len(await home.access.allowed()) == 1


async def test_a_code_is_good_for_an_hour():
    async with house() as home:
        reply = await home.ask(said())
        await home.clock.advance(HOUR_S - 0.001)
        await home.access.approve("webhook", reply.code, ME)
        other = await home.ask(said(sender="bob"))
        await home.clock.advance(HOUR_S)
        with pytest.raises(Refused, match="older than an hour"):
            await home.access.approve("webhook", other.code, ME)
        assert home.access.judge(said(sender="bob")) == Ask()


@pytest.mark.parametrize(
    ("channel", "account"), [("telegram", None), ("webhook", "two"), ("Webhook", None)]
)
async def test_a_code_is_good_where_it_was_given(channel: str, account: str | None):
    async with house() as home:
        reply = await home.ask(said())
        with pytest.raises(Refused):
            await home.access.approve(channel, reply.code, ME, account=account)
        assert len(await home.access.pending()) == 1


async def test_without_a_channel_it_is_looked_for_everywhere():
    async with house() as home:
        reply = await home.ask(said(channel="telegram"))
        approved = await home.access.approve(None, reply.code, ME)
        assert approved.sender.channel == "telegram"


@pytest.mark.parametrize("code", ["", " ", "????????", "AAAAAAAAA", "\ud800"])
async def test_what_is_no_code_lets_nobody_in(code: str):
    async with house() as home:
        await home.ask(said())
        with pytest.raises(Refused, match="Nobody waits"):
            await home.access.approve("webhook", code, ME)
        assert await home.access.allowed() == []


@pytest.mark.parametrize("authority", [one for one in Authority if one is not Authority.OWNER])
async def test_only_the_owner_decides(authority: Authority):
    somebody = Approver(name="webhook:bob", authority=authority)
    async with house() as home:
        reply = await home.ask(said())
        with pytest.raises(Refused, match="Only the owner"):
            await home.access.approve("webhook", reply.code, somebody)
        with pytest.raises(Refused, match="Only the owner"):
            await home.access.reject("webhook", reply.code, somebody)
        with pytest.raises(Refused, match="Only the owner"):
            await home.access.revoke("webhook", "alice", somebody)
        assert len(await home.access.pending()) == 1


async def test_guessing_is_slowed_down():
    async with house() as home:
        reply = await home.ask(said())
        for _ in range(10):
            with pytest.raises(Refused, match="Nobody waits"):
                await home.access.approve("webhook", "ZZZZZZZZ", ME)
        with pytest.raises(Refused, match="Too many") as refused:
            await home.access.approve("webhook", reply.code, ME)
        assert refused.value.retryable
        assert refused.value.retry_after_ms == 300_000
        await home.clock.advance(300)
        await home.access.approve("webhook", reply.code, ME)


async def test_a_failing_database_is_no_wrong_guess():
    async with house() as home:
        reply = await home.ask(said())
        real, home.access._database = home.access._database, Broken()
        for _ in range(20):
            with pytest.raises(Failed):
                await home.access.approve("webhook", reply.code, ME)
        home.access._database = real
        await home.access.approve("webhook", reply.code, ME)


class Broken:
    """A database that takes nothing."""

    async def read(self, fn: Callable[[Tx], T]) -> T:
        raise Failed("the disk is gone")

    async def write(self, fn: Callable[[Tx], T]) -> T:
        raise Failed("the disk is gone")

    async def close(self) -> None:
        """Nothing to close."""


async def test_a_rejected_code_is_worthless():
    async with house() as home:
        reply = await home.ask(said())
        rejected = await home.access.reject("webhook", reply.code, ME)
        assert rejected.sender_id == "alice"
        with pytest.raises(Refused):
            await home.access.approve("webhook", reply.code, ME)
        assert home.access.judge(said()) == Ask()
        assert [line["kind"] for line in home.trail()] == [
            "channel.pairing_requested",
            "channel.pairing_rejected",
        ]


# putting out


async def let_in(home: Any, **who: Any) -> None:
    reply = await home.ask(said(**who))
    await home.access.approve(None, reply.code, ME)


async def test_who_is_put_out_is_a_stranger_again():
    async with house() as home:
        await let_in(home)
        await let_in(home, sender="bob")
        assert await home.access.revoke("webhook", "alice", ME)
        assert home.access.judge(said()) == Ask()
        assert isinstance(home.access.judge(said(sender="bob")), Accept)
        assert not await home.access.revoke("webhook", "alice", ME)
        assert [line["kind"] for line in home.trail()].count("channel.sender_revoked") == 1


async def test_somebody_is_put_out_at_one_account_alone():
    settings = access_settings(webhook={"accounts": {"default": {}, "two": {}}}, telegram={})
    async with house(settings) as home:
        for where in ({}, {"account": "two"}, {"channel": "telegram"}):
            await let_in(home, **where)
        assert await home.access.revoke("webhook", "alice", ME, account="two")
        assert home.access.judge(said(account="two")) == Ask()
        assert isinstance(home.access.judge(said()), Accept)
        assert await home.access.revoke("webhook", "alice", ME)
        assert home.access.judge(said()) == Ask()
        assert isinstance(home.access.judge(said(channel="telegram")), Accept)


async def test_the_door_is_closed_even_if_the_row_cannot_be_removed():
    async with house() as home:
        await let_in(home)
        home.access._database = Broken()
        with pytest.raises(Failed):
            await home.access.revoke("webhook", "alice", ME)
        assert home.access.judge(said()) == Ask()


# restarts and settings


async def test_decisions_survive_a_restart():
    async with house() as home:
        await let_in(home)
        await let_in(home, sender="bob")
        await home.access.revoke("webhook", "alice", ME)
        again = home.again(access_settings(webhook={}))
        await again.load()
        assert again.judge(said()) == Ask()
        assert isinstance(again.judge(said(sender="bob")), Accept)


async def test_a_code_survives_a_restart():
    async with house() as home:
        reply = await home.ask(said())
        again = home.again(access_settings(webhook={}))
        await again.load()
        await again.approve("webhook", reply.code, ME)
        assert isinstance(again.judge(said()), Accept)


async def test_who_was_let_in_between_verdict_and_request_is_no_stranger():
    async with house() as home:
        reply = await home.ask(said())
        other = home.again(access_settings(webhook={}))
        await other.approve("webhook", reply.code, ME)
        assert home.access.judge(said()) == Ask()
        late = await home.ask(said())
        assert (late.is_allowed, late.created, late.code) == (True, False, None)
        assert isinstance(home.access.judge(said()), Accept)


async def test_settings_take_effect_at_once():
    async with house() as home:
        assert home.access.judge(said()) == Ask()
        home.access.apply(access_settings(webhook={"allowFrom": ["alice"]}))
        assert isinstance(home.access.judge(said()), Accept)
        home.access.apply(access_settings(webhook={"allowFrom": ["alice"], "enabled": False}))
        assert home.access.judge(said()) == Drop(DropReason.ACCOUNT_OFF)
        home.access.apply(
            access_settings(commands={"ownerAllowFrom": ["webhook:alice"]}, webhook={})
        )
        verdict = home.access.judge(said())
        assert isinstance(verdict, Accept)
        assert verdict.provenance.authority is Authority.OWNER


async def test_what_the_settings_do_not_name_is_off_and_not_remembered():
    async with house() as home:
        for number in range(20):
            strange = said(channel=f"c{number}")
            assert home.access.judge(strange) == Drop(DropReason.ACCOUNT_OFF)
            assert home.access.judge(said(account=f"a{number}")) == Drop(DropReason.ACCOUNT_OFF)
        assert len(home.access._rules) == 0
        assert set(home.access._owners) == {"webhook"}
        home.access.judge(said())
        assert set(home.access._rules) == {("webhook", "default")}


async def test_defaults_reach_every_channel():
    settings = access_settings(
        defaults={"dmPolicy": "disabled"}, webhook={}, telegram={"dmPolicy": "pairing"}
    )
    async with house(settings) as home:
        assert home.access.judge(said()) == Drop(DropReason.DM_OFF)
        assert home.access.judge(said(channel="telegram")) == Ask()


async def test_commands_follow_their_settings():
    async with house() as home:
        known = access_settings(
            webhook={"dmPolicy": "open", "allowFrom": ["*"]}, commands={"useAccessGroups": False}
        )
        home.access.apply(known)
        verdict = home.access.judge(said("/status"))
        assert isinstance(verdict, Accept)
        assert verdict.is_command
        off = access_settings(
            webhook={"dmPolicy": "open", "allowFrom": ["*"]}, commands={"text": False}
        )
        home.access.apply(off)
        verdict = home.access.judge(said("/status"))
        assert isinstance(verdict, Accept)
        assert not verdict.is_command


async def test_settings_that_do_not_mean_what_they_seem_are_named():
    settings = access_settings(
        webhook={"groups": {"room": {}}}, messages={"groupChat": {"mentionPatterns": ["(", "bot"]}}
    )
    async with house(settings) as home:
        assert len(home.access.warnings) == 1
        assert "mentionPatterns" in home.access.warnings[0]
        assert isinstance(home.access.judge(said("hey bot", chat=ChatType.GROUP)), Accept)


# what is counted and written down


async def test_verdicts_are_counted():
    settings = access_settings(webhook={"allowFrom": ["alice"], "groups": {"room": {}}})
    async with house(settings) as home:
        assert isinstance(home.access.judge(said()), Accept)
        assert isinstance(home.access.judge(said(chat=ChatType.GROUP)), Buffer)
        assert home.access.judge(said(sender="bob")) == Ask()
        assert isinstance(home.access.judge(said(is_bot=True)), Drop)
        for verdict in ("accepted", "buffered", "asked", "bot"):
            assert home.counted(verdict) == 1


async def test_refused_senders_leave_few_lines():
    async with house() as home:
        for _ in range(100):
            home.access.judge(said(is_bot=True))
        (line,) = home.trail()
        assert line["kind"] == "channel.sender_refused"
        assert (line["sender"], line["reason"], line["event"]) == ("alice", "bot", "message")
        assert line["left_out"] == 0
        await home.clock.advance(60)
        home.access.judge(said(is_bot=True))
        assert home.trail()[-1]["left_out"] == 99


async def test_talk_among_others_is_no_refusal():
    async with house(access_settings(webhook={"groups": {"room": {}}})) as home:
        reaction = said("", chat=ChatType.GROUP, kind=EventKind.REACTION, about_message_id="theirs")
        assert home.access.judge(reaction) == Drop(DropReason.NOT_MEANT)
        assert home.trail() == []


async def test_an_answer_to_what_we_sent_is_meant_for_us():
    async with house(access_settings(webhook={"groups": {"room": {}}})) as home:
        reaction = said("", chat=ChatType.GROUP, kind=EventKind.REACTION, about_message_id="ours")
        assert home.access.judge(reaction) == Drop(DropReason.NOT_MEANT)
        target = Target(channel="webhook", account="default", conversation="room")
        home.access.delivered(target, "ours")
        assert isinstance(home.access.judge(reaction), Accept)


async def test_what_we_sent_is_known_after_a_restart():
    settings = access_settings(webhook={"groups": {"room": {}}})
    target = Target(channel="webhook", account="default", conversation="room")

    async with house(settings) as home:
        now_ms = home.clock.now_ms()

        def send(tx: Tx) -> None:
            number = outbox_records.insert(
                tx,
                Outgoing(target=target, idempotency_key="k", text="hello"),
                provenance=OWNER,
                run_id=None,
                created_at_ms=now_ms,
                expires_at_ms=now_ms + 1,
            )
            row = outbox_records.find(tx, number or 0)
            assert row is not None
            outbox_records.close(
                tx, row, state=OutboxState.DELIVERED, now_ms=now_ms, message_id="ours"
            )

        await home.database.write(send)
        again = home.again(settings)
        await again.load()
        reply = said("yes", chat=ChatType.GROUP, quote=Quote(message_id="ours"))
        assert isinstance(again.judge(reply), Accept)


async def test_a_service_that_was_told_nothing_lets_nobody_in():
    async with house() as home:
        fresh = AccessService(
            home.database, clock=home.clock, audit=home.access._audit, metrics=home.metrics
        )
        assert fresh.judge(said()) == Drop(DropReason.ACCOUNT_OFF)
