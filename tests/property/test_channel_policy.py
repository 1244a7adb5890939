"""What holds for every setting, every sender and every event, whatever their names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from carapace.channels.policy import Accept, Ask, Buffer, Drop, PolicyFacts, Verdict, decide
from carapace.channels.types import (
    ChatType,
    Conversation,
    EventKind,
    InboundMessage,
    Quote,
    Sender,
)
from carapace.provenance import Authority
from support.chat_people import facts

pytestmark = pytest.mark.slow

NOW = 1_000_000_000
IDS = st.sampled_from(
    ["alice", "Alice", "bob", "id:alice", "*", " alice", "1", "a\u0301", "\u00e1"]
)
ROOMS = st.sampled_from(["room", "Room", "space:team", "other", "*"])
ENTRIES = st.lists(st.one_of(IDS, st.just("*")), max_size=3)
GROUP = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "requireMention": st.booleans(),
        "allowFrom": ENTRIES,
    },
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.sampled_from([True, True, True, False]),
        "dmPolicy": st.sampled_from(["pairing", "allowlist", "open", "disabled"]),
        "allowFrom": ENTRIES,
        "groupPolicy": st.sampled_from(["open", "allowlist", "disabled"]),
        "groupAllowFrom": ENTRIES,
        "requireMention": st.booleans(),
        "allowBots": st.booleans(),
        "groups": st.dictionaries(
            st.sampled_from(["room", "space:team", "*", "other"]), GROUP, max_size=3
        ),
    },
)
MESSAGES = st.builds(
    InboundMessage,
    channel=st.sampled_from(["webhook", "telegram"]),
    account=st.just("default"),
    message_id=st.just("m"),
    conversation=st.builds(
        Conversation,
        id=ROOMS,
        chat_type=st.sampled_from(ChatType),
        space_id=st.sampled_from([None, "", "team", "*"]),
    ),
    sender=st.builds(Sender, id=IDS | st.just(""), is_bot=st.booleans()),
    kind=st.sampled_from([EventKind.MESSAGE, EventKind.MESSAGE, *EventKind]),
    text=st.sampled_from(["hello", "bot, hello", "/status", "/approve AAAAAAAA", "stop", ""]),
    mentions_us=st.booleans(),
    quote=st.none()
    | st.builds(
        Quote,
        message_id=st.sampled_from(["ours", "q"]),
        sender_id=st.none() | IDS,
        text=st.just("q"),
    ),
    about_message_id=st.sampled_from([None, "ours", "theirs"]),
)
KNOWN = st.fixed_dictionaries(
    {
        "paired": st.lists(IDS, max_size=2).map(tuple),
        "owners": st.lists(IDS, max_size=1).map(tuple),
        "ours": st.sampled_from([{}, {"ours": NOW}]),
        "patterns": st.sampled_from([(), (r"\bbot\b",)]),
        "takes_commands": st.booleans(),
        "uses_access_groups": st.booleans(),
    }
)
NAMES = st.text(max_size=8) | IDS
ORDER = {Drop: 0, Ask: 1, Buffer: 2, Accept: 3}


def judged(message: InboundMessage, known: PolicyFacts) -> Verdict:
    return decide(message, known, now_ms=NOW)


def lets_speak(verdict: Verdict) -> bool:
    return isinstance(verdict, Accept | Buffer)


@settings(max_examples=300)
@given(message=MESSAGES, given_=SETTINGS, known=KNOWN, names=st.tuples(NAMES, NAMES, NAMES))
def test_names_never_matter(
    message: InboundMessage,
    given_: dict[str, Any],
    known: dict[str, Any],
    names: tuple[str, str, str],
):
    """Row E01: neither a display name nor a label nor other data changes the verdict."""
    before = judged(message, facts(given_, **known))
    renamed = replace(
        message,
        sender=replace(message.sender, display_name=names[0]),
        conversation=replace(message.conversation, label=names[1]),
        data={"username": names[2]},
    )
    after = judged(renamed, facts(given_, **known))
    assert type(after) is type(before)
    if isinstance(before, Accept | Buffer):
        assert isinstance(after, Accept | Buffer)
        assert after.provenance == before.provenance
    else:
        assert after == before


@settings(max_examples=300)
@given(message=MESSAGES, given_=SETTINGS, known=KNOWN)
def test_empty_lists_let_nobody_speak(
    message: InboundMessage, given_: dict[str, Any], known: dict[str, Any]
):
    """Row E03: `[]` everywhere, nobody paired, no owner; groups that are open stay so."""
    empty = {**given_, "allowFrom": [], "groupAllowFrom": [], "groupPolicy": "allowlist"}
    empty["groups"] = {
        key: {**one, "allowFrom": []} for key, one in given_.get("groups", {}).items()
    }
    alone: dict[str, Any] = {**known, "paired": (), "owners": ()}
    verdict = judged(message, facts(empty, **alone))
    assert not lets_speak(verdict)


@settings(max_examples=300)
@given(message=MESSAGES, given_=SETTINGS, known=KNOWN)
def test_an_empty_id_is_nobody(
    message: InboundMessage, given_: dict[str, Any], known: dict[str, Any]
):
    nobody = replace(message, sender=replace(message.sender, id=""))
    more: dict[str, Any] = {
        **known,
        "paired": (*known["paired"], ""),
        "owners": (*known["owners"], ""),
    }
    assert isinstance(judged(nobody, facts(given_, **more)), Drop)


@settings(max_examples=300)
@given(
    message=MESSAGES,
    given_=SETTINGS,
    known=KNOWN,
    key=st.sampled_from(["allowFrom", "groupAllowFrom", "paired", "owners"]),
    entry=IDS,
)
def test_adding_somebody_never_takes_from_others(
    message: InboundMessage, given_: dict[str, Any], known: dict[str, Any], key: str, entry: str
):
    """To a list that is there: a first entry also ends what a missing list means."""
    more: dict[str, Any]
    more_known: dict[str, Any]
    if key in {"paired", "owners"}:
        more, more_known = given_, {**known, key: (*known[key], entry)}
    elif key in given_:
        more, more_known = {**given_, key: [*given_[key], entry]}, known
    else:
        return
    before = judged(message, facts(given_, **known))
    after = judged(message, facts(more, **more_known))
    if isinstance(before, Accept | Buffer):
        assert isinstance(after, Accept | Buffer)
        assert after.provenance.authority >= before.provenance.authority
        assert ORDER[type(after)] >= ORDER[type(before)]


@settings(max_examples=300)
@given(message=MESSAGES, given_=SETTINGS, known=KNOWN)
def test_an_unknown_kind_of_chat_is_never_freer_than_any_known_kind(
    message: InboundMessage, given_: dict[str, Any], known: dict[str, Any]
):
    """Row E05."""

    def speaks(chat: ChatType) -> Authority | None:
        there = replace(message, conversation=replace(message.conversation, chat_type=chat))
        verdict = judged(there, facts(given_, **known))
        return verdict.provenance.authority if isinstance(verdict, Accept | Buffer) else None

    unknown = speaks(ChatType.UNKNOWN)
    if unknown is not None:
        for chat in (ChatType.DIRECT, ChatType.GROUP, ChatType.CHANNEL):
            there = speaks(chat)
            assert there is None or unknown <= there


@settings(max_examples=300)
@given(message=MESSAGES, given_=SETTINGS, known=KNOWN, kind=st.sampled_from(EventKind))
def test_no_kind_of_event_gets_further_than_a_message(
    message: InboundMessage, given_: dict[str, Any], known: dict[str, Any], kind: EventKind
):
    """Row E04: who may not say something may not react, pin, edit or press either."""
    known_facts = facts(given_, **known)
    if not lets_speak(judged(replace(message, kind=EventKind.MESSAGE, text="hello"), known_facts)):
        assert isinstance(
            judged(replace(message, kind=kind, text=message.text), known_facts), Drop | Ask
        )


@settings(max_examples=300)
@given(message=MESSAGES, given_=SETTINGS, known=KNOWN)
def test_only_owners_act_as_owners(
    message: InboundMessage, given_: dict[str, Any], known: dict[str, Any]
):
    verdict = judged(message, facts(given_, **known))
    if isinstance(verdict, Accept | Buffer):
        is_owner = message.sender.id in known["owners"]
        assert (verdict.provenance.authority is Authority.OWNER) is is_owner
    if (
        isinstance(verdict, Accept)
        and verdict.command is not None
        and verdict.command.name.is_for_owners
    ):
        assert verdict.provenance.authority is Authority.OWNER


@settings(max_examples=300)
@given(message=MESSAGES, given_=SETTINGS, known=KNOWN)
def test_words_of_others_pass_only_if_they_may_speak(
    message: InboundMessage, given_: dict[str, Any], known: dict[str, Any]
):
    """Row E12."""
    known_facts = facts(given_, **known)
    verdict = judged(message, known_facts)
    if not isinstance(verdict, Accept | Buffer):
        return
    quote = verdict.message.quote
    if quote is None or quote.text is None or quote.message_id in known["ours"]:
        return
    assert quote.sender_id
    author = replace(
        message, sender=Sender(id=quote.sender_id), kind=EventKind.MESSAGE, text="hello", quote=None
    )
    assert lets_speak(judged(author, known_facts))
