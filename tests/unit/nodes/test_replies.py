"""Keys that were used."""

from __future__ import annotations

import asyncio

import pytest

from carapace.errors import Refused
from carapace.nodes.replies import KEEP_S, Replies
from carapace.nodes.types import Outcome
from support.nodes import call


def future() -> asyncio.Future[Outcome]:
    return asyncio.get_running_loop().create_future()


async def test_a_key_that_was_not_used_has_no_reply() -> None:
    assert Replies().find(call(), 0.0) is None


async def test_the_same_call_finds_its_reply_while_it_runs_and_for_five_minutes_after() -> None:
    replies = Replies()
    reply = replies.begin(call(), future())
    assert replies.find(call(), 10_000.0) is reply
    replies.end(reply, Outcome(), 10_000.0)
    assert replies.find(call(), 10_000.0 + KEEP_S - 1) is reply
    assert replies.find(call(), 10_000.0 + KEEP_S) is None


@pytest.mark.parametrize("other", [{"command": "camera.clip"}, {"params_json": "{}"}])
async def test_a_key_is_not_used_for_something_else(other: dict[str, str]) -> None:
    replies = Replies()
    replies.begin(call(), future())
    with pytest.raises(Refused, match="used for another command"):
        replies.find(call(**other), 0.0)


async def test_keys_of_different_callers_and_nodes_are_different_keys() -> None:
    replies = Replies()
    replies.begin(call(), future())
    assert replies.find(call(caller_key="you"), 0.0) is None
    assert replies.find(call(node_id="n2"), 0.0) is None


async def test_the_oldest_answers_make_room_by_number() -> None:
    replies = Replies(max_entries=2)
    for key in ("a", "b", "c"):
        replies.end(replies.begin(call(idempotency_key=key), future()), Outcome(), 0.0)
    assert len(replies) == 2
    assert replies.find(call(idempotency_key="a"), 0.0) is None


async def test_the_oldest_answers_make_room_by_size() -> None:
    replies = Replies(max_bytes=100)
    first = replies.begin(call(idempotency_key="a"), future())
    replies.end(first, Outcome("x", "x" * 60), 0.0)
    second = replies.begin(call(idempotency_key="b"), future())
    replies.end(second, Outcome(["y" * 60]), 0.0)
    assert replies.find(call(idempotency_key="a"), 0.0) is None
    assert replies.find(call(idempotency_key="b"), 0.0) is second


async def test_what_still_runs_is_never_dropped() -> None:
    replies = Replies(max_entries=1)
    running = replies.begin(call(idempotency_key="run"), future())
    replies.end(replies.begin(call(idempotency_key="b"), future()), Outcome(), 0.0)
    assert replies.find(call(idempotency_key="run"), 10_000.0) is running
