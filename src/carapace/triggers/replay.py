"""Requests that were handled before: on disk, bounded, told apart by what was verified.

The key is a digest of the verified bytes in their canonical form together with whose they are:
another order of the query, another spelling of the signature or another account's equal message
do not change or share it (advisories D11, D12). Only requests with a right signature get here, so
a stranger cannot fill the memory.

A row is written before the handling and gets its outcome after it, or is written with its outcome
in the handler's own transaction. If it cannot be written, nothing is handled. A handling that a
crash cut short has a row without outcome; the sender's repetition is then handled: at least once,
as everything that comes in.
"""

from __future__ import annotations

import hashlib
from typing import Final

from carapace.clock import Clock
from carapace.store.ports import Database, Tx
from carapace.triggers import replay_records as records
from carapace.triggers.replay_records import Seen
from carapace.triggers.webhook_types import Replay, Verified
from carapace.value import Value

__all__ = ["Claim", "ReplayMemory", "replay_digest"]

_MAX_ROWS: Final = 20_000
_PRUNE_EVERY: Final = 256
_HANDLED: Final = 200


def replay_digest(owner: str, account: str, key: bytes) -> bytes:
    """32 bytes that no other owner, account or key shares."""
    parts = (owner.encode(), account.encode(), key)
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hashlib.sha256(framed).digest()


class Claim(Value, frozen=True):
    """One request that is being handled.

    Attributes:
        seen: Its row.
        max_rows: Of its account, if it is time to clear up; else None.
    """

    seen: Seen
    max_rows: int | None = None

    def keep(self, tx: Tx) -> bool:
        """Write the row with its outcome in the handler's transaction; False: it was there."""
        if not self.claim(tx):
            return False
        records.settle(tx, self.seen.digest, _HANDLED)
        return True

    def claim(self, tx: Tx) -> bool:
        """Write the row without an outcome; False: it was there with one."""
        seen = self.seen
        is_new = records.claim(tx, seen)
        if self.max_rows is not None:
            records.prune(
                tx,
                seen.owner,
                seen.account,
                max_rows=self.max_rows,
                now_ms=seen.seen_at_ms,
            )
        return is_new


class ReplayMemory:
    """Remembers requests, for each owner and account.

    Args:
        database: Where.
        clock: The time.
        max_rows: Of one account; its oldest are forgotten beyond that.
    """

    def __init__(self, database: Database, clock: Clock, *, max_rows: int = _MAX_ROWS) -> None:
        self._database = database
        self._clock = clock
        self._max_rows = max_rows
        self._running: set[bytes] = set()
        self._begun = 0

    def begin(self, owner: str, verified: Verified, replay: Replay) -> Claim | None:
        """A request is to be handled; None if the same one is being handled right now.

        End it with `end`, whatever happens.
        """
        now_ms = self._clock.now_ms()
        digest = replay_digest(owner, verified.account, replay.key)
        if digest in self._running:
            return None
        self._running.add(digest)
        self._begun += 1
        seen = Seen(
            digest=digest,
            owner=owner,
            account=verified.account,
            seen_at_ms=now_ms,
            expires_at_ms=now_ms + round(replay.ttl_s * 1000),
        )
        is_due = self._begun % _PRUNE_EVERY == 0
        return Claim(seen, self._max_rows if is_due else None)

    async def is_repeated(self, claim: Claim, *, remembers: bool) -> bool:
        """Whether it was handled before; else its row is there when this returns.

        Args:
            claim: From `begin`.
            remembers: The handler will write the row itself; it is only looked for.

        Raises:
            Failed: If the database cannot say, or cannot keep it.
        """
        seen = claim.seen
        if remembers:
            return await self._database.read(
                lambda tx: records.is_handled(tx, seen.digest, seen.seen_at_ms)
            )
        return not await self._database.write(claim.claim)

    async def settle(self, claim: Claim, status: int) -> None:
        """What became of it: kept if it was answered well, else forgotten so that it may return.

        Raises:
            Failed: If that cannot be written down.
        """
        digest = claim.seen.digest
        if status < 300:  # noqa: PLR2004 - RFC 9110, section 15: 2xx is success
            await self._database.write(lambda tx: records.settle(tx, digest, status))
        else:
            await self._database.write(lambda tx: records.forget(tx, digest))

    def end(self, claim: Claim) -> None:
        """It is no longer being handled."""
        self._running.discard(claim.seen.digest)
