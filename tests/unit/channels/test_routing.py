"""Which conversation a message joins, and where its answer goes."""

from __future__ import annotations

import pytest

from carapace.channels.routing import (
    DmScope,
    RoutingRules,
    lane_of,
    reply_route_of,
    route_of,
    session_key_of,
)
from carapace.channels.types import ChatType, Conversation, InboundMessage, Sender, Target
from carapace.ids import AgentId
from carapace.provenance import Authority, Origin, Provenance


def message(
    conversation: str = "c1",
    chat_type: ChatType = ChatType.DIRECT,
    *,
    sender: str = "u1",
    account: str = "default",
    thread: str | None = None,
    label: str | None = None,
) -> InboundMessage:
    return InboundMessage(
        channel="chat",
        account=account,
        message_id="m1",
        conversation=Conversation(
            id=conversation, chat_type=chat_type, thread_id=thread, label=label
        ),
        sender=Sender(id=sender, display_name="Anna\nB"),
    )


def words(authority: Authority = Authority.PAIRED) -> Provenance:
    return Provenance(origin=Origin.CHANNEL, authority=authority)


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ("main", "agent:main:main"),
        ("per-peer", "agent:main:dm:u1"),
        ("per-channel-peer", "agent:main:chat:dm:u1"),
        ("per-account-channel-peer", "agent:main:chat:default:dm:u1"),
    ],
)
def test_direct_chats_go_where_the_scope_says(scope: DmScope, key: str):
    assert session_key_of(message(), words(), RoutingRules(dm_scope=scope)) == key


@pytest.mark.parametrize("scope", ["main", "per-peer"])
def test_a_stranger_never_joins_a_session_of_others(scope: DmScope):
    rules = RoutingRules(dm_scope=scope)
    key = session_key_of(message(), words(Authority.OUTSIDE), rules)
    assert key == "agent:main:chat:dm:u1"


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (ChatType.GROUP, "agent:main:chat:group:c1"),
        (ChatType.CHANNEL, "agent:main:chat:channel:c1"),
        (ChatType.UNKNOWN, "agent:main:chat:group:c1"),
    ],
)
def test_company_has_a_session_of_its_own(kind: ChatType, key: str):
    assert session_key_of(message(chat_type=kind), words(), RoutingRules()) == key


def test_threads_agents_accounts_and_the_main_key_are_in_the_key():
    rules = RoutingRules(agent_id=AgentId("work"), main_key="home")
    assert session_key_of(message(thread="t1"), words(), rules) == "agent:work:home:thread:t1"
    other = message(chat_type=ChatType.GROUP, account="second")
    assert session_key_of(other, words(), rules) == "agent:work:chat:second:group:c1"
    one = RoutingRules(one_for_all=True)
    assert session_key_of(message(), words(), one) == "global"


def test_ids_that_differ_in_any_byte_never_share_a_session():
    ids = [
        "abc",
        "Abc",
        "ABC",
        "a:thread:b",
        "a b",
        "a  b",
        "ä",
        "ae",
        "x" * 300,
        "x" * 301,
        "",
        " ",
        "a~b",
        ":a",
        "a:",
        "!room:server",
        "line\nline",
    ]
    keys = {session_key_of(message(one, ChatType.GROUP), words(), RoutingRules()) for one in ids}
    assert len(keys) == len(ids)
    assert "agent:main:chat:group:!room:server" in keys


def test_a_thread_in_an_id_is_no_thread():
    plain = message("a", ChatType.GROUP, thread="b")
    odd = message("a:thread:b", ChatType.GROUP)
    rules = RoutingRules()
    assert session_key_of(plain, words(), rules) != session_key_of(odd, words(), rules)


def test_lanes_are_conversations_byte_for_byte():
    assert lane_of(message()) == lane_of(message(sender="u2"))
    others = [message("C1"), message(thread="t"), message(account="b"), message()]
    assert len({lane_of(one) for one in others}) == len(others)


def test_the_session_notes_where_a_message_came_from():
    direct = route_of(message(), "Chat")
    assert direct.origin is not None
    assert (direct.origin.label, direct.origin.from_, direct.chat_type) == (
        "Anna B (Chat)",
        "chat:u1",
        "direct",
    )
    assert (direct.last_channel, direct.last_to, direct.last_account_id) == (
        "chat",
        "c1",
        "default",
    )
    group = route_of(message(chat_type=ChatType.UNKNOWN, label="The\tRoom"), "Chat")
    assert (group.display_name, group.subject, group.chat_type) == ("The Room", "The Room", "group")
    assert route_of(message(chat_type=ChatType.GROUP), "Chat").display_name == "c1"


def test_an_answer_in_company_names_the_message_it_answers():
    target = Target(channel="chat", account="default", conversation="c1", thread_id="t")
    group = reply_route_of(message(chat_type=ChatType.GROUP, thread="t"), (1, 2))
    assert (group.target, group.inbox_ids, group.reply_to) == (target, (1, 2), "m1")
    direct = reply_route_of(message())
    assert (direct.reply_to, direct.answers) == (None, message().message_id)
    assert group.answers == group.reply_to
