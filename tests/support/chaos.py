"""Twenty people who chat with a gateway that is killed again and again, and keep a ledger.

Each `Chatter` has a session of its own. What it may rely on, and checks after each restart:
a message that was acknowledged is in the transcript, once; a run that the kill cut is told as
an error; the session takes the next message.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from carapace_tools.golden.connection import Connection, ReplayError
from support.ws import TERMINAL, chat_events, talk

__all__ = ["Chatter", "Ledger"]

_QUICK_S = 20.0
_HISTORY = 1_000


@dataclass
class Ledger:
    """What happened, counted, and what went wrong, in words."""

    counts: Counter[str] = field(default_factory=Counter[str])
    faults: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))


@dataclass
class Sent:
    """A message that left this client.

    Attributes:
        is_acknowledged: The gateway said `started`.
        is_ended: The end of its run was heard.
    """

    run_id: str
    text: str
    is_acknowledged: bool = False
    is_ended: bool = False


class Chatter:
    """One person with one session.

    Args:
        number: Names person and session.
        ledger: Shared by all.
        luck: Decides what is said.
    """

    def __init__(self, number: int, ledger: Ledger, luck: random.Random) -> None:
        self.key = f"agent:main:chaos-{number}"
        self._name = f"c{number}"
        self._ledger = ledger
        self._luck = luck
        self._sent: list[Sent] = []
        self._open: list[Sent] = []
        self._count = 0

    async def chat(self, connection: Connection) -> None:
        """Talk until the connection is gone; sometimes two messages at once."""
        while connection.closed is None:
            together = [self._next() for _ in range(self._luck.choice((1, 1, 2)))]
            for message in together:
                await self._send(connection, message)
            for message in together:
                if message.is_acknowledged:
                    message.is_ended = await self._heard_end(connection, message)
            self._open = [one for one in self._open if not one.is_ended]

    async def settle(self, connection: Connection) -> None:
        """After a restart: account for what was open, then see that the session lives."""
        for message in self._open:
            await self._account(connection, message)
        self._open = []
        self._count += 1
        run_id = f"{self._name}-alive-{self._count}"
        end = await talk(connection, self.key, f"[[say:here]] {run_id}", run_id, timeout_s=_QUICK_S)
        self._expect(end["state"] == "final", f"{run_id} ended as {end}")
        self._ledger.counts["sessions alive"] += 1

    async def look_back(self, connection: Connection) -> None:
        """Every acknowledged message is in the transcript, exactly once."""
        params = {"sessionKey": self.key, "limit": _HISTORY}
        answer = await connection.call(f"history-{self._name}", "chat.history", params)
        texts = [
            part["text"]
            for message in answer["payload"]["messages"]
            if message["role"] == "user"
            for part in message["content"]
        ]
        for message in self._sent:
            found = sum(message.text in text for text in texts)
            self._ledger.counts["found"] += found == 1 and message.is_acknowledged
            wanted = (1,) if message.is_acknowledged else (0, 1)
            self._expect(found in wanted, f"{message.run_id} is there {found} times")

    def _next(self) -> Sent:
        self._count += 1
        run_id = f"{self._name}-{self._count}"
        words, gap_ms = self._luck.randint(1, 12), self._luck.randint(0, 40)
        message = Sent(run_id, f"[[gap:{gap_ms}]][[tokens:{words}]] message {run_id}.")
        self._sent.append(message)
        self._open.append(message)
        return message

    async def _send(self, connection: Connection, message: Sent) -> None:
        self._ledger.counts["sent"] += 1
        try:
            status = await self._ask(connection, message)
        except (ReplayError, ConnectionError):
            # Sending fails at once and without a pause; the reader must get to see the close.
            await connection.until(lambda: connection.closed, "the close after the kill", _QUICK_S)
            return
        self._expect(status == "started", f"{message.run_id} was answered {status}")
        self._acknowledge(message)

    async def _heard_end(self, connection: Connection, message: Sent) -> bool:
        ends = await connection.until(
            lambda: chat_events(connection, message.run_id, *TERMINAL) or connection.closed,
            f"the end of {message.run_id}",
            _QUICK_S,
        )
        if not isinstance(ends, list):
            return False
        self._expect(ends[0]["state"] == "final", f"{message.run_id} ended as {ends[0]}")
        self._ledger.counts["answered"] += 1
        return True

    async def _account(self, connection: Connection, message: Sent) -> None:
        """The same key again: what became of the run, and was its client told?"""
        was_acknowledged = message.is_acknowledged
        status = await self._ask(connection, message)
        if status == "started" and not was_acknowledged:
            self._acknowledge(message)
            self._ledger.counts["sent again"] += 1
            message.is_ended = await self._heard_end(connection, message)
            return
        if not was_acknowledged:
            self._acknowledge(message)
        if status == "ok":
            self._ledger.counts["ended unheard"] += 1
            return
        self._expect(status == "error", f"{message.run_id} after the kill is {status}")
        self._ledger.counts["cut"] += 1
        await self._hear_of_cut(connection, message)

    async def _hear_of_cut(self, connection: Connection, message: Sent) -> None:
        waited = await connection.call(
            f"wait-{message.run_id}", "agent.wait", {"runId": message.run_id, "timeoutMs": 1000}
        )
        status = waited.get("payload", {}).get("status")
        self._expect(status == "error", f"{message.run_id} waited for is {waited}")
        told = chat_events(connection, message.run_id, "error")
        self._expect(len(told) == 1, f"{message.run_id} was told of {len(told)} times")
        self._ledger.counts["reported"] += len(told) == 1

    async def _ask(self, connection: Connection, message: Sent) -> str:
        self._count += 1
        params = {
            "sessionKey": self.key,
            "message": message.text,
            "idempotencyKey": message.run_id,
        }
        answer = await connection.call(f"{message.run_id}/{self._count}", "chat.send", params)
        return str(answer["payload"]["status"]) if answer.get("payload") else str(answer["error"])

    def _acknowledge(self, message: Sent) -> None:
        message.is_acknowledged = True
        self._ledger.counts["acknowledged"] += 1

    def _expect(self, is_so: bool, fault: str) -> None:
        if not is_so:
            self._ledger.faults.append(fault)


async def in_parallel(*work: Any) -> None:
    """Run all of them; the first failure ends the rest."""
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)
