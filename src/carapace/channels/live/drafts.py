"""An answer that is shown while it is written, on services that can change a message.

The first words go out as a message, and that message is changed about once a second. None of
this goes through the outbox: a draft that is lost is no loss. The finished answer does, as one
more change of the same message (`draft_records.settle`), so it is delivered like any other. That
a draft is out, and as which message, is on disk: a run that begins again after a restart goes on
with the same message.

A draft of which nobody knows whether it arrived is given up. The finished answer is then a new
message; an unfinished one may stay above it, but nothing is said twice as if it were new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from carapace.channels.live import draft_records
from carapace.channels.live.draft_records import DraftRow
from carapace.channels.ports import Account
from carapace.channels.types import (
    ChannelInfo,
    Delivered,
    Outgoing,
    OutgoingKind,
    RetryAfter,
    SendOutcome,
    Target,
    Unknown,
)
from carapace.clock import Clock
from carapace.errors import GatewayError
from carapace.store.ports import Database, Tx
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["Draft", "Drafts"]

_log = get_logger(__name__)
_PAUSE_S: Final = 1.0
_SEND_TIMEOUT_S: Final = 15.0
_CLOSE_TIMEOUT_S: Final = 5.0
_MAX_FAILURES: Final = 3
_MAX_OPEN: Final = 256


class Drafts:
    """Opens drafts and feeds them.

    Args:
        database: Where the rows are.
        accounts: The running account of (channel, account), if there is one.
        infos: What a channel is and can.
        wants: Whether the operator wants drafts at a target, and no hook may change or stop what
            is said there: a draft would show what the hook takes out.
        render: Text of an agent as messages for a target; the first is shown.
        clock: Time between changes.
        tasks: Owns the work on each draft.
    """

    def __init__(
        self,
        database: Database,
        *,
        accounts: Callable[[str, str], Account | None],
        infos: Callable[[str], ChannelInfo | None],
        wants: Callable[[Target], bool],
        render: Callable[[str, Target], list[str]],
        clock: Clock,
        tasks: Tasks,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._infos = infos
        self._wants = wants
        self._render = render
        self._clock = clock
        self._tasks = tasks
        self._open: dict[str, Draft] = {}

    async def open(self, run_id: str, target: Target, reply_to: str | None = None) -> Draft | None:
        """Show the answer of a run while it is written; None if that is not wanted or possible.

        Raises:
            Failed: If the database does not answer.
        """
        info = self._infos(target.channel)
        account = self._accounts(target.channel, target.account)
        can_show = info is not None and info.can_edit and account is not None
        if not can_show or not self._wants(target) or len(self._open) >= _MAX_OPEN:
            return None
        row = await self._database.read(lambda tx: draft_records.find(tx, run_id))
        if row is not None and row.message_id is None:
            row = await self._looked_up(row, account, info)
            if row is None:
                return None
        draft = Draft(
            run_id,
            target,
            reply_to,
            message_id=None if row is None else row.message_id,
            database=self._database,
            account=lambda: self._accounts(target.channel, target.account),
            render=self._render,
            clock=self._clock,
        )
        self._open[run_id] = draft
        draft.start(self._tasks)
        return draft

    async def close(self, run_id: str) -> None:
        """Change the draft of a run no more; to be awaited before `settle`.

        A change that is on its way is waited for, a few seconds long: it must not arrive after
        the finished answer.
        """
        draft = self._open.pop(run_id, None)
        if draft is not None:
            await draft.close()

    def settle(self, tx: Tx, run_id: str, outgoing: tuple[Outgoing, ...]) -> tuple[Outgoing, ...]:
        """The messages that end a run, made to take the place of its draft.

        Belongs in the transaction that puts them into the outbox.
        """
        row = draft_records.find(tx, run_id)
        if row is None:
            return outgoing
        info = self._infos(row.target.channel)
        can_delete = info is not None and info.can_delete
        return draft_records.settle(tx, run_id, outgoing, can_delete=can_delete)

    async def _looked_up(
        self, row: DraftRow, account: Account | None, info: ChannelInfo | None
    ) -> DraftRow | None:
        """Settle the doubt about a draft that an earlier process sent."""
        if account is None or info is None or not info.can_look_up:
            return None
        first = _first(row.run_id, row.target, "", None)
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                found = await account.look_up(first)
        except Exception as error:  # noqa: BLE001 - a channel may be a plugin's
            _log.warning("draft not looked up", channel=row.target.channel, exc_info=error)
            return None
        message_id = None if found is None else found.message_id
        if message_id is None:
            return None
        await self._database.write(lambda tx: draft_records.shown(tx, row.run_id, message_id))
        return DraftRow(row.run_id, row.target, message_id)


class Draft:
    """The unfinished answer of one run; made by `Drafts.open`."""

    def __init__(
        self,
        run_id: str,
        target: Target,
        reply_to: str | None,
        *,
        message_id: str | None,
        database: Database,
        account: Callable[[], Account | None],
        render: Callable[[str, Target], list[str]],
        clock: Clock,
    ) -> None:
        self._run_id = run_id
        self._target = target
        self._reply_to = reply_to
        self._message_id = message_id
        self._database = database
        self._account = account
        self._render = render
        self._clock = clock
        self._text = ""
        self._shown = ""
        self._count = 0
        self._failures = 0
        self._is_closed = False
        self._changed = asyncio.Event()
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self, tasks: Tasks) -> None:
        """Begin to show what `show` is given."""
        self._task = tasks.start(self._run(), name=f"draft of {self._run_id}")

    def show(self, text: str) -> None:
        """All text so far; only the last one before each change is shown."""
        self._text = text
        self._changed.set()

    async def close(self) -> None:
        """Change nothing more; see `Drafts.close`."""
        self._is_closed = True
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S), self._sending:
                pass
        except TimeoutError:
            _log.warning("a draft's last change did not end in time", run=self._run_id)
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        pause_s: float | None = _PAUSE_S
        while pause_s is not None and not self._is_closed:
            await self._changed.wait()
            # Nothing is shown in the first second: a short answer is one message from the start.
            await self._clock.sleep(pause_s)
            self._changed.clear()
            async with self._sending:
                pause_s = None if self._is_closed else await self._step()

    async def _step(self) -> float | None:
        """Show the text of now; the pause before the next change, None for no more."""
        texts = self._render(self._text, self._target) if self._text.strip() else []
        account = self._account()
        if not texts or texts[0] == self._shown:
            return _PAUSE_S
        if account is None or account.trouble() is not None:
            return None
        try:
            if self._message_id is None:
                return await self._begin(account, texts[0])
            return await self._change(account, self._message_id, texts[0])
        except GatewayError as error:
            _log.warning("draft given up", run=self._run_id, reason=error.message)
            return None

    async def _begin(self, account: Account, text: str) -> float | None:
        """Send the first words. If it stays unknown whether they arrived, there is no draft."""
        now_ms = self._clock.now_ms()
        may_begin = await self._database.write(
            lambda tx: draft_records.begin(tx, self._run_id, self._target, now_ms=now_ms)
        )
        if not may_begin:
            return None
        outcome = await _sent(account, _first(self._run_id, self._target, text, self._reply_to))
        if not isinstance(outcome, Delivered) or outcome.message_id is None:
            return None
        message_id = outcome.message_id
        await self._database.write(lambda tx: draft_records.shown(tx, self._run_id, message_id))
        self._message_id, self._shown = message_id, text
        return _PAUSE_S

    async def _change(self, account: Account, message_id: str, text: str) -> float | None:
        self._count += 1
        outcome = await _sent(
            account,
            Outgoing(
                target=self._target,
                # Never the key of an earlier process's change: it would be dropped as a repeat.
                idempotency_key=f"{self._run_id}/draft/{self._clock.now_ms()}-{self._count}",
                kind=OutgoingKind.EDIT,
                text=text,
                about_message_id=message_id,
            ),
        )
        if isinstance(outcome, Delivered):
            self._shown, self._failures = text, 0
            return _PAUSE_S
        self._failures += 1
        self._changed.set()
        if self._failures >= _MAX_FAILURES or not isinstance(outcome, RetryAfter | Unknown):
            return None
        return max(_PAUSE_S * 2**self._failures, outcome.after_s or 0.0)


def _first(run_id: str, target: Target, text: str, reply_to: str | None) -> Outgoing:
    return Outgoing(target=target, idempotency_key=f"{run_id}/draft", text=text, reply_to=reply_to)


async def _sent(account: Account, outgoing: Outgoing) -> SendOutcome:
    try:
        async with asyncio.timeout(_SEND_TIMEOUT_S):
            return await account.send(outgoing)
    except TimeoutError:
        return Unknown(reason="the service did not answer in time")
    except Exception as error:  # noqa: BLE001 - a channel may be a plugin's
        _log.error("a channel broke at a draft", channel=outgoing.target.channel, exc_info=error)
        return Unknown(reason=f"the channel broke ({type(error).__name__})")
