from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from carapace.channels.commands import CommandName
from carapace.channels.policy import (
    OWN_CHAT,
    Accept,
    Ask,
    Buffer,
    Drop,
    DropReason,
    PolicyFacts,
    Verdict,
    decide,
)
from carapace.channels.types import ChatType, EventKind, InboundMessage, Quote
from carapace.provenance import Authority, Origin, Provenance
from support.chat_people import facts, said

NOW = 1_000_000_000
DAY = 86_400_000
GROUPS = (ChatType.GROUP, ChatType.CHANNEL)


def judged(message: InboundMessage, known: PolicyFacts) -> Verdict:
    return decide(message, known, now_ms=NOW)


def authority(message: InboundMessage, known: PolicyFacts) -> Authority | None:
    verdict = judged(message, known)
    return verdict.provenance.authority if isinstance(verdict, Accept | Buffer) else None


def in_group(text: str = "hello", **rest: Any) -> InboundMessage:
    given: dict[str, Any] = {"chat": ChatType.GROUP, "mentions_us": True, **rest}
    return said(text, **given)


# direct chats

DIRECT: list[tuple[dict[str, Any], Verdict | Authority]] = [
    ({}, Ask()),
    ({"dmPolicy": "pairing"}, Ask()),
    ({"dmPolicy": "pairing", "allowFrom": []}, Ask()),
    ({"dmPolicy": "pairing", "allowFrom": ["*"]}, Ask()),
    ({"allowFrom": ["alice"]}, Authority.PAIRED),
    ({"dmPolicy": "allowlist"}, Drop(DropReason.DM_SENDER)),
    ({"dmPolicy": "allowlist", "allowFrom": []}, Drop(DropReason.DM_SENDER)),
    ({"dmPolicy": "allowlist", "allowFrom": ["*"]}, Drop(DropReason.DM_SENDER)),
    ({"dmPolicy": "allowlist", "allowFrom": ["alice"]}, Authority.PAIRED),
    ({"dmPolicy": "allowlist", "allowFrom": ["id:alice"]}, Authority.PAIRED),
    ({"dmPolicy": "open"}, Drop(DropReason.DM_SENDER)),
    ({"dmPolicy": "open", "allowFrom": []}, Drop(DropReason.DM_SENDER)),
    ({"dmPolicy": "open", "allowFrom": ["*"]}, Authority.OUTSIDE),
    ({"dmPolicy": "open", "allowFrom": ["*", "alice"]}, Authority.PAIRED),
    ({"dmPolicy": "disabled", "allowFrom": ["alice", "*"]}, Drop(DropReason.DM_OFF)),
    ({"enabled": False, "dmPolicy": "open", "allowFrom": ["*"]}, Drop(DropReason.ACCOUNT_OFF)),
]


@pytest.mark.parametrize(("settings", "expected"), DIRECT)
def test_direct_chats(settings: dict[str, Any], expected: Verdict | Authority):
    verdict = judged(said(), facts(settings))
    if isinstance(expected, Authority):
        assert isinstance(verdict, Accept)
        assert verdict.provenance.authority is expected
    else:
        assert verdict == expected


@pytest.mark.parametrize("policy", ["pairing", "allowlist", "open"])
def test_who_was_let_in_by_pairing_may_write_directly(policy: str):
    assert authority(said(), facts({"dmPolicy": policy}, paired=("alice",))) is Authority.PAIRED


def test_nobody_writes_directly_where_that_is_off():
    known = facts({"dmPolicy": "disabled"}, paired=("alice",), owners=("alice",))
    assert judged(said(), known) == Drop(DropReason.DM_OFF)


@pytest.mark.parametrize("policy", ["pairing", "allowlist", "open"])
def test_the_owner_may_write_directly_and_is_the_owner(policy: str):
    assert authority(said(), facts({"dmPolicy": policy}, owners=("alice",))) is Authority.OWNER


def test_only_a_message_makes_a_stranger_be_told_a_code():
    for kind in EventKind:
        expected = Ask() if kind is EventKind.MESSAGE else Drop(DropReason.DM_SENDER)
        assert judged(said(kind=kind), facts()) == expected


def test_the_words_carry_where_they_came_from():
    verdict = judged(said(account="two", where="chat-9"), facts({"allowFrom": ["alice"]}))
    assert isinstance(verdict, Accept)
    assert verdict.provenance == Provenance(
        origin=Origin.CHANNEL,
        authority=Authority.PAIRED,
        channel="webhook",
        account="two",
        sender_id="alice",
        conversation="chat-9",
    )


def test_a_sender_without_id_is_nobody():
    known = facts({"dmPolicy": "open", "allowFrom": ["*", ""]}, paired=("",), owners=("",))
    assert judged(said(sender=""), known) == Drop(DropReason.NO_SENDER)


def test_bots_are_ignored_unless_wanted():
    assert judged(said(is_bot=True), facts({"allowFrom": ["alice"]})) == Drop(DropReason.BOT)
    wanted = facts({"allowFrom": ["alice"], "allowBots": True})
    assert isinstance(judged(said(is_bot=True), wanted), Accept)
    assert judged(said(is_bot=True), facts({"allowBots": True})) == Ask()


# groups

GROUP: list[tuple[dict[str, Any], DropReason | Authority]] = [
    ({}, DropReason.GROUP_SENDER),
    ({"groupPolicy": "disabled", "groupAllowFrom": ["alice"]}, DropReason.GROUP_OFF),
    ({"groupAllowFrom": ["alice"]}, Authority.GUEST),
    ({"groupAllowFrom": ["*"]}, Authority.OUTSIDE),
    ({"groupAllowFrom": []}, DropReason.GROUP_SENDER),
    ({"groupAllowFrom": [], "allowFrom": ["alice"]}, DropReason.GROUP_SENDER),
    ({"allowFrom": ["alice"]}, Authority.GUEST),
    ({"allowFrom": ["*"], "dmPolicy": "open"}, DropReason.GROUP_SENDER),
    ({"groups": {}}, DropReason.GROUP),
    ({"groups": {}, "groupAllowFrom": ["alice"]}, DropReason.GROUP),
    ({"groups": {"other": {}}, "groupAllowFrom": ["alice"]}, DropReason.GROUP),
    ({"groups": {"room": {}}}, Authority.GUEST),
    ({"groups": {"id:room": {}}}, Authority.GUEST),
    ({"groups": {"ROOM": {}}}, DropReason.GROUP),
    ({"groups": {"room": {"enabled": False}}, "groupAllowFrom": ["alice"]}, DropReason.GROUP),
    ({"groups": {"room": {}}, "groupAllowFrom": ["bob"]}, DropReason.GROUP_SENDER),
    ({"groups": {"room": {}}, "groupAllowFrom": []}, DropReason.GROUP_SENDER),
    ({"groups": {"room": {}}, "groupAllowFrom": ["alice"]}, Authority.GUEST),
    ({"groups": {"room": {"allowFrom": ["alice"]}}, "groupAllowFrom": []}, Authority.GUEST),
    ({"groups": {"room": {"allowFrom": []}}, "groupAllowFrom": ["*"]}, DropReason.GROUP_SENDER),
    ({"groups": {"room": {"allowFrom": ["*"]}}}, Authority.GUEST),
    ({"groups": {"*": {}}}, DropReason.GROUP_SENDER),
    ({"groups": {"*": {}}, "allowFrom": ["alice"]}, Authority.GUEST),
    ({"groups": {"*": {}}, "groupAllowFrom": ["*"]}, Authority.OUTSIDE),
    ({"groups": {"space:team": {}}}, Authority.GUEST),
    ({"groups": {"space:team": {"enabled": False}, "*": {}}}, DropReason.GROUP),
    ({"groups": {"room": {"enabled": False}, "space:team": {}}}, DropReason.GROUP),
    ({"groupPolicy": "open"}, Authority.OUTSIDE),
    ({"groupPolicy": "open", "groupAllowFrom": ["alice"]}, Authority.GUEST),
    ({"groupPolicy": "open", "groupAllowFrom": []}, Authority.OUTSIDE),
    ({"groupPolicy": "open", "groups": {"room": {}}}, Authority.GUEST),
    ({"groupPolicy": "open", "groups": {"other": {}}}, DropReason.GROUP),
    ({"groupPolicy": "open", "groups": {"room": {"allowFrom": []}}}, DropReason.GROUP_SENDER),
]


@pytest.mark.parametrize("chat", GROUPS)
@pytest.mark.parametrize(("settings", "expected"), GROUP)
def test_groups(settings: dict[str, Any], expected: DropReason | Authority, chat: ChatType):
    verdict = judged(in_group(chat=chat, space="team"), facts(settings))
    if isinstance(expected, Authority):
        assert isinstance(verdict, Accept)
        assert verdict.provenance.authority is expected
    else:
        assert verdict == Drop(expected)


def test_the_owner_is_the_owner_in_groups_that_are_listened_to():
    assert authority(in_group(), facts(owners=("alice",))) is Authority.OWNER
    off = facts({"groups": {"room": {"enabled": False}}}, owners=("alice",))
    assert judged(in_group(), off) == Drop(DropReason.GROUP)
    disabled = facts({"groupPolicy": "disabled"}, owners=("alice",))
    assert judged(in_group(), disabled) == Drop(DropReason.GROUP_OFF)


# a chat of unknown kind


def unknown(**rest: Any) -> InboundMessage:
    return in_group(chat=ChatType.UNKNOWN, **rest)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, DropReason.DM_SENDER),
        ({"dmPolicy": "open", "allowFrom": ["*"]}, DropReason.GROUP_SENDER),
        ({"groupPolicy": "open"}, DropReason.DM_SENDER),
        ({"groupPolicy": "open", "dmPolicy": "disabled"}, DropReason.DM_OFF),
        ({"groupPolicy": "disabled", "allowFrom": ["alice"]}, DropReason.GROUP_OFF),
        ({"dmPolicy": "open", "allowFrom": ["*"], "groupPolicy": "open"}, Authority.OUTSIDE),
        ({"allowFrom": ["alice"], "groupAllowFrom": ["alice"]}, Authority.GUEST),
    ],
)
def test_a_chat_of_unknown_kind_passes_both_rules(
    settings: dict[str, Any], expected: DropReason | Authority
):
    verdict = judged(unknown(), facts(settings))
    if isinstance(expected, Authority):
        assert isinstance(verdict, Accept)
        assert verdict.provenance.authority is expected
    else:
        assert verdict == Drop(expected)


def test_a_chat_of_unknown_kind_is_gated_like_a_group():
    known = facts({"allowFrom": ["alice"], "groupAllowFrom": ["alice"]})
    assert isinstance(judged(unknown(mentions_us=False), known), Buffer)


# what is meant for us

MEMBER = {"groups": {"room": {}}}


def test_what_is_not_meant_for_us_is_kept_as_context():
    verdict = judged(in_group(mentions_us=False), facts(MEMBER))
    assert isinstance(verdict, Buffer)
    assert verdict.provenance.authority is Authority.GUEST
    assert verdict.message.text == "hello"


def test_a_pattern_of_the_operator_means_us():
    known = facts(MEMBER, patterns=(r"\bclawd\b",))
    verdict = judged(in_group("hey Clawd", mentions_us=False), known)
    assert isinstance(verdict, Accept)
    assert verdict.is_mentioned


@pytest.mark.parametrize(("age", "is_meant"), [(0, True), (DAY - 1, True), (DAY, False)])
def test_an_answer_to_one_of_ours_means_us_for_a_day(age: int, is_meant: bool):
    message = in_group(mentions_us=False, quote=Quote(message_id="ours"))
    verdict = judged(message, facts(MEMBER, ours={"ours": NOW - age}))
    assert isinstance(verdict, Accept if is_meant else Buffer)


def test_where_no_mention_is_needed_all_is_for_us():
    known = facts({"groups": {"room": {"requireMention": False}}})
    verdict = judged(in_group(mentions_us=False), known)
    assert isinstance(verdict, Accept)
    assert not verdict.is_mentioned


@pytest.mark.parametrize("required", [True, False])
def test_the_conversations_own_word_about_mentions_comes_first(required: bool):
    known = facts({"groups": {"room": {"requireMention": required}}})
    quiet = in_group(mentions_us=False)
    assert isinstance(judged(quiet, replace(known, activation="always")), Accept)
    assert isinstance(judged(quiet, replace(known, activation="mention")), Buffer)


def test_in_direct_chats_no_mention_is_needed():
    verdict = judged(said(), facts({"allowFrom": ["alice"]}, patterns=("hello",)))
    assert isinstance(verdict, Accept)
    assert not verdict.is_mentioned


@pytest.mark.parametrize("kind", [k for k in EventKind if k is not EventKind.MESSAGE])
def test_in_groups_other_events_count_if_they_are_about_ours(kind: EventKind):
    known = facts(MEMBER, ours={"ours": NOW})
    about_ours = in_group("", kind=kind, mentions_us=False, about_message_id="ours")
    assert isinstance(judged(about_ours, known), Accept)
    about_other = in_group("", kind=kind, mentions_us=False, about_message_id="theirs")
    verdict = judged(about_other, known)
    if kind is EventKind.CALLBACK:  # whose button it is, its token says
        assert isinstance(verdict, Accept)
    else:
        assert verdict == Drop(DropReason.NOT_MEANT)


def test_reactions_among_others_are_ignored_even_where_no_mention_is_needed():
    known = facts({"requireMention": False, **MEMBER})
    message = in_group("", kind=EventKind.REACTION, mentions_us=False, about_message_id="theirs")
    assert judged(message, known) == Drop(DropReason.NOT_MEANT)
    edit = in_group(kind=EventKind.EDIT, mentions_us=False, about_message_id="theirs")
    assert isinstance(judged(edit, known), Accept)


# commands


def test_a_command_of_somebody_listed_is_done_without_a_mention():
    known = facts({"groupAllowFrom": ["alice"]})
    verdict = judged(in_group("/status", mentions_us=False), known)
    assert isinstance(verdict, Accept)
    assert verdict.command is not None
    assert verdict.command.name is CommandName.STATUS
    assert verdict.is_command
    assert verdict.may_command


def test_a_bare_stop_in_a_group_is_talk_unless_it_is_meant_for_us():
    known = facts({"groupAllowFrom": ["alice"]})
    assert isinstance(judged(in_group("wait", mentions_us=False), known), Buffer)
    verdict = judged(in_group("wait"), known)
    assert isinstance(verdict, Accept)
    assert verdict.is_command


@pytest.mark.parametrize("chat", [ChatType.DIRECT, *GROUPS])
def test_only_the_owner_decides_about_strangers(chat: ChatType):
    message = said("/approve ABCD2345", chat=chat)
    listed = facts({"allowFrom": ["alice"], "groupAllowFrom": ["alice"]}, uses_access_groups=False)
    assert judged(message, listed) == Drop(DropReason.COMMAND)
    verdict = judged(message, facts(owners=("alice",)))
    assert isinstance(verdict, Accept)
    assert verdict.command is not None
    assert verdict.command.rest == "ABCD2345"


def test_where_commands_are_off_the_words_are_for_the_model():
    known = facts({"allowFrom": ["alice"]}, takes_commands=False)
    verdict = judged(said("/new"), known)
    assert isinstance(verdict, Accept)
    assert not verdict.is_command


def test_a_message_changed_into_a_command_is_no_command():
    known = facts({"allowFrom": ["alice"]}, owners=("alice",))
    assert judged(said("/new", kind=EventKind.EDIT), known) == Drop(DropReason.COMMAND)


# quotes


def quoting(sender_id: str | None, message_id: str = "q", **rest: Any) -> InboundMessage:
    return in_group(
        quote=Quote(message_id=message_id, sender_id=sender_id, text="secret plan"), **rest
    )


def quoted(message: InboundMessage, known: PolicyFacts) -> str | None:
    verdict = judged(message, known)
    assert isinstance(verdict, Accept | Buffer)
    assert verdict.message.quote is not None
    assert verdict.message.quote.message_id
    return verdict.message.quote.text


@pytest.mark.parametrize("mentions_us", [True, False])
def test_quoted_words_stay_only_if_their_author_may_speak_there(mentions_us: bool):
    known = facts({"groupAllowFrom": ["alice", "bob"]}, ours={"ours": NOW - 9 * DAY})
    assert quoted(quoting("bob", mentions_us=mentions_us), known) == "secret plan"
    assert quoted(quoting("mallory", mentions_us=mentions_us), known) is None
    assert quoted(quoting("", mentions_us=mentions_us), known) is None
    assert quoted(quoting(None, mentions_us=mentions_us), known) is None
    assert quoted(quoting(None, "ours", mentions_us=mentions_us), known) == "secret plan"


def test_in_a_direct_chat_a_stranger_who_would_be_asked_is_not_quoted():
    known = facts({"allowFrom": ["alice"]})
    assert quoted(quoting("mallory", chat=ChatType.DIRECT), known) is None
    assert quoted(quoting("alice", chat=ChatType.DIRECT), known) == "secret plan"


def test_a_quote_without_words_is_left_as_it_is():
    message = in_group(quote=Quote(message_id="q", sender_id="mallory"))
    verdict = judged(message, facts(MEMBER))
    assert isinstance(verdict, Accept)
    assert verdict.message == message


# our own chat


def test_our_own_chat_is_the_operator():
    verdict = judged(said(channel=OWN_CHAT, sender="device-1"), facts())
    assert isinstance(verdict, Accept)
    assert verdict.provenance.authority is Authority.OWNER
    assert verdict.provenance.origin is Origin.OPERATOR
    assert verdict.may_command


def test_our_own_chat_can_be_turned_off_and_knows_no_groups():
    off = facts({"enabled": False})
    assert judged(said(channel=OWN_CHAT), off) == Drop(DropReason.ACCOUNT_OFF)
    for chat in (*GROUPS, ChatType.UNKNOWN):
        assert judged(said(channel=OWN_CHAT, chat=chat), facts()) == Drop(DropReason.GROUP)
