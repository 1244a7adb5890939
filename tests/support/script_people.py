"""People who write through the webhook channel and keep count of what they were told.

Each sends one message after the other in a group of its own and repeats it until the gateway
says that it has it, as any service does. What came back is counted by the receiver; `account`
compares the two.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiohttp

from carapace.channels.builtin.webhook_wire import SIGNATURE_HEADER, sign
from support.counting_peer import Arrival

__all__ = ["SECRET", "DeliveryLedger", "Person", "account", "webhook_settings"]

SECRET = "a secret between a script and its gateway"
ANSWER_S = 5.0


def webhook_settings(callback_url: str, **more: Any) -> dict[str, Any]:
    """`channels.webhook` for anybody in any group."""
    return {
        "enabled": True,
        "secret": SECRET,
        "callbackUrl": callback_url,
        "dmPolicy": "open",
        "allowFrom": ["*"],
        "groupPolicy": "open",
        "groupAllowFrom": ["*"],
        "requireMention": False,
        **more,
    }


@dataclass
class Person:
    """Writes to one group.

    Attributes:
        name: Of person and group.
        acknowledged: Ids of messages that the gateway has, with the time it said so.
        sent: How many requests it took.
        answers: How many of each status.
        refused: Answers that were neither yes nor come again.
    """

    name: str
    acknowledged: dict[str, float] = field(default_factory=dict)
    sent: int = 0
    refused: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter[int])
    _count: int = 0

    async def write(self, client: aiohttp.ClientSession, url: str, text: str, **more: Any) -> str:
        """Send one message, with `more` fields, until it is acknowledged; its id."""
        self._count += 1
        message_id = f"{self.name}-{self._count}"
        message = {
            "id": message_id,
            "sender": {"id": self.name},
            "conversation": {"id": f"group-{self.name}", "type": "group"},
            "text": text,
            **more,
        }
        body = json.dumps(message).encode()
        while not await self._post(client, url, body):  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.01)
        self.acknowledged[message_id] = time.monotonic()
        return message_id

    async def _post(self, client: aiohttp.ClientSession, url: str, body: bytes) -> bool:
        headers = {
            SIGNATURE_HEADER: sign(SECRET, body, int(time.time())),
            "Content-Type": "application/json",
        }
        self.sent += 1
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                client.post(url, data=body, headers=headers) as answer,
            ):
                text = await answer.text()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
        self.answers[answer.status] += 1
        if answer.status in {200, 202}:
            return True
        if answer.status not in {429, 503}:
            self.refused.append(f"{answer.status} {text[:200]}")
        return False


@dataclass(frozen=True)
class DeliveryLedger:
    """What came back for what was acknowledged.

    Attributes:
        lost: Messages without any answer.
        unmarked: Messages with more than one answer that does not say it may be a repeat.
        marked: Answers that say they may be repeats.
        given_up: Messages whose answer is that the gateway gave up.
        out_of_order: Neighbours in one group whose answers changed places.
    """

    acknowledged: int
    answered: int
    lost: tuple[str, ...]
    unmarked: tuple[str, ...]
    marked: int
    given_up: int
    out_of_order: int

    def __str__(self) -> str:
        return (
            f"acknowledged {self.acknowledged}, answered {self.answered}, lost {len(self.lost)}, "
            f"unmarked duplicates {len(self.unmarked)}, marked repeats {self.marked}, "
            f"given up and told {self.given_up}, out of order {self.out_of_order}"
        )


def account(people: Iterable[Person], arrivals: Iterable[Arrival]) -> DeliveryLedger:
    """Compare what was acknowledged with what arrived."""
    expected = [one for person in people for one in person.acknowledged]
    first: dict[str, int] = {}
    plain, marked, given_up = Counter[str](), 0, 0
    for position, arrival in enumerate(arrivals):
        answered = arrival.body.get("replyTo")
        if answered is None:
            continue
        first.setdefault(answered, position)
        given_up += "gave up" in arrival.body["text"]
        if arrival.may_be_repeat:
            marked += 1
        else:
            plain[answered] += 1
    return DeliveryLedger(
        acknowledged=len(expected),
        answered=len(first),
        lost=tuple(one for one in expected if one not in first),
        unmarked=tuple(one for one, count in plain.items() if count > 1),
        marked=marked,
        given_up=given_up,
        out_of_order=_out_of_order(people, first.get),
    )


def _out_of_order(people: Iterable[Person], place: Callable[[str], int | None]) -> int:
    wrong = 0
    for person in people:
        places = [found for one in person.acknowledged if (found := place(one)) is not None]
        wrong += sum(later < earlier for earlier, later in pairwise(places))
    return wrong
