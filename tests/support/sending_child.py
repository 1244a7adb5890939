"""A process with an outbox and a sender, to be killed: `python -m support.sending_child DIR PORT`.

Each line of its input is `key conversation`; for each it says `ok key` once the message is on
disk, or `no key` if the disk did not take it. A key that comes again is answered again. It says
`up` when it sends.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from carapace.channels.outbox.backoff import RetryPolicy
from carapace.channels.outbox.sender import Sender, SenderOptions
from carapace.channels.outbox.service import Outbox
from carapace.channels.outbox.types import OutboxRow
from carapace.channels.types import Outgoing, Target
from carapace.clock import SystemClock
from carapace.errors import Failed
from carapace.provenance import OWNER
from carapace.store.sqlite import SqliteDatabase
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor
from support.peer_account import PEER_INFO, PeerAccount

__all__ = ["OPTIONS"]

OPTIONS = SenderOptions(
    send_timeout_s=0.5,
    grace_s=0.1,
    retry=RetryPolicy(base_s=0.02, cap_s=0.2, max_attempts=1_000, max_repeats=1_000),
)


async def _main(folder: Path, port: int) -> None:
    clock = SystemClock()
    database = await SqliteDatabase.open(folder / "carapace.db")
    outbox, account = Outbox(database, clock), PeerAccount(port)
    audit = Audit(folder / "audit", clock=clock, redactor=Redactor())
    sender = Sender(
        outbox,
        lambda channel, name: account,
        lambda channel: PEER_INFO,
        database=database,
        clock=clock,
        metrics=Metrics("1", with_process=False),
        audit=audit,
        publish=lambda event: None,
        on_dead=_say_dead,
        options=OPTIONS,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(sender.run())
        _say("up")
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            group.create_task(_put(outbox, *line.decode().split()))


async def _put(outbox: Outbox, key: str, conversation: str) -> None:
    target = Target(channel="peer", account="default", conversation=conversation)
    made = Outgoing(target=target, idempotency_key=key, text=f"message {key}")
    try:
        await outbox.put(made, provenance=OWNER)
    except Failed:
        _say(f"no {key}")
    else:
        _say(f"ok {key}")


async def _say_dead(rows: tuple[OutboxRow, ...]) -> None:
    for row in rows:
        _say(f"dead {row.idempotency_key} {row.cause}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
