"""One attempt at one message: hooks, doubt, and the call with a deadline around it.

Whatever the channel does, an attempt ends with an outcome in bounded time: an exception and a
missed deadline are `Unknown`, since words may have left before; a channel that does not even
end when it is cancelled is left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, TypeVar

from msgspec.structs import replace

from carapace.channels.outbox.types import AccountKey, Cause, OutboxRow
from carapace.channels.ports import Account
from carapace.channels.types import (
    ChannelInfo,
    Dead,
    Delivered,
    Outgoing,
    RetryAfter,
    SendOutcome,
    Unknown,
)
from carapace.errors import GatewayError
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.value import Value

__all__ = ["Attempter", "BeforeSend", "Cancelled", "Overrun", "Tried", "within"]

T = TypeVar("T")

_log = get_logger(__name__)
_MAX_REASON: Final = 500


class Cancelled(Value, frozen=True, kw_only=True):
    """A hook wants the message not sent; `reason` says why, for people."""

    reason: str


BeforeSend = Callable[[OutboxRow, Outgoing], Awaitable[Outgoing | Cancelled]]
"""Sees a message before its first attempt; may change its text or stop it.

Sees it again only if it changed nothing and the gateway ended during that attempt.
"""

SaveScreened = Callable[[OutboxRow, Outgoing], Awaitable[bool]]
"""Keeps what the hooks made of a row; False if the row is no longer ours."""


class Overrun(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """The work did not end in time, or was cancelled from inside."""


class Tried(Value, frozen=True, kw_only=True):
    """What an attempt came to.

    Attributes:
        outcome: As the channel said, or what its silence means.
        may_be_repeat: Afterwards: a copy may be there that nobody knows of.
        cause: Why it is dead, if not because the service refused it.
        was_asked: The service was asked; else nothing was tried and no failure counts.
        is_screened: The hooks have seen it.
        said: What the channel was given, as the hooks left it; None if nothing was.
    """

    outcome: SendOutcome
    may_be_repeat: bool
    cause: Cause | None = None
    was_asked: bool = True
    is_screened: bool = False
    said: Outgoing | None = None


class Attempter:
    """Makes attempts.

    Args:
        accounts: The running account of a channel, if there is one.
        infos: What a channel is and can.
        tasks: Owns the calls.
        save: See `SaveScreened`.
        before_send: See `BeforeSend`.
        timeout_s: Deadline of each call.
        grace_s: How long a call may take to end after it was cancelled.
    """

    def __init__(
        self,
        *,
        accounts: Callable[[str, str], Account | None],
        infos: Callable[[str], ChannelInfo | None],
        tasks: Tasks,
        save: SaveScreened,
        before_send: BeforeSend | None,
        timeout_s: float,
        grace_s: float,
    ) -> None:
        self._accounts = accounts
        self._infos = infos
        self._tasks = tasks
        self._save = save
        self._before_send = before_send
        self._timeout_s = timeout_s
        self._grace_s = grace_s

    def trouble(self, key: AccountKey) -> str | None:
        """Why nothing can be sent through that account now, or None."""
        account = self._accounts(*key)
        if account is None or self._infos(key[0]) is None:
            return "the account is not running"
        try:
            return account.trouble()
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            _log.exception("a channel broke when asked for its state", channel=key[0])
            return f"the channel is broken ({error})"

    def can_tell(self, channel: str) -> bool:
        """Whether a doubt about an attempt can be settled there."""
        info = self._infos(channel)
        return info is not None and (info.drops_repeats or info.can_look_up)

    async def attempt(self, row: OutboxRow) -> Tried:
        """Try `row`, which has been taken, once."""
        if row.outgoing is None or row.provenance is None:
            return _unreadable(row)
        outgoing = row.outgoing
        if self._before_send is not None and not row.is_screened:
            screened = await self._screen(row, outgoing, self._before_send)
            if isinstance(screened, Tried):
                return screened
            outgoing = screened
        tried = await self._hand_over(row, replace(outgoing, attempt=row.attempts))
        return replace(tried, is_screened=self._before_send is not None)

    async def _hand_over(self, row: OutboxRow, outgoing: Outgoing) -> Tried:
        """Give it to the account, if that still runs."""
        account, info = self._accounts(*row.account_key), self._infos(row.channel)
        if account is None or info is None:
            return _untried(row, "the account was stopped")
        if row.may_be_repeat:
            tried = await self._repeat(account, info, outgoing)
        else:
            tried = await self._send(account, outgoing, doubt=False)
        return replace(tried, outcome=_clipped(tried.outcome), said=outgoing)

    async def _repeat(self, account: Account, info: ChannelInfo, outgoing: Outgoing) -> Tried:
        """An earlier attempt may have arrived: never send an unmarked second copy."""
        if info.drops_repeats:
            tried = await self._send(account, outgoing, doubt=True)
            delivered = isinstance(tried.outcome, Delivered)
            return replace(tried, may_be_repeat=False) if delivered else tried
        if not info.can_look_up:
            return await self._send(account, replace(outgoing, may_be_repeat=True), doubt=True)
        try:
            found = await self._within(account.look_up(outgoing), "look-up")
        except Overrun as error:
            return Tried(outcome=RetryAfter(reason=f"the look-up {error}"), may_be_repeat=True)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            _log.exception("a channel broke at a look-up", channel=outgoing.target.channel)
            reason = f"whether it had arrived could not be looked up ({error})"
            return Tried(outcome=RetryAfter(reason=reason), may_be_repeat=True)
        if found is not None:
            return Tried(outcome=found, may_be_repeat=False)
        return await self._send(account, outgoing, doubt=False)

    async def _send(self, account: Account, outgoing: Outgoing, *, doubt: bool) -> Tried:
        try:
            outcome = await self._within(account.send(outgoing), "send")
        except Overrun as error:
            outcome = Unknown(reason=f"the service's answer {error}")
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            _log.exception("a channel broke at a send", channel=outgoing.target.channel)
            outcome = Unknown(reason=f"the channel broke ({type(error).__name__}: {error})")
        return Tried(outcome=outcome, may_be_repeat=doubt or isinstance(outcome, Unknown))

    async def _screen(
        self, row: OutboxRow, outgoing: Outgoing, hook: BeforeSend
    ) -> Outgoing | Tried:
        """Let the hooks see it; what they changed is on disk before the channel hears it."""
        try:
            answer = await self._within(_awaited(hook(row, outgoing)), "hook")
            if isinstance(answer, Cancelled):
                return Tried(
                    outcome=Dead(reason=answer.reason),
                    may_be_repeat=row.may_be_repeat,
                    cause=Cause.CANCELLED,
                )
            # A hook may change the words, not where they go or under which key.
            kept = replace(outgoing, text=answer.text)
            is_ours = kept == outgoing or await self._save(row, kept)
        except (Overrun, GatewayError) as error:
            return _held(row, f"a hook on outgoing messages {error}")
        except Exception as error:  # noqa: BLE001 - a hook may raise anything
            _log.exception("a hook broke on an outgoing message", outbox_id=row.outbox_id)
            return _held(row, f"a hook on outgoing messages broke ({type(error).__name__})")
        return kept if is_ours else _untried(row, "another process has taken it")

    async def _within(self, work: Coroutine[object, object, T], name: str) -> T:
        return await within(
            work, name=name, tasks=self._tasks, timeout_s=self._timeout_s, grace_s=self._grace_s
        )


async def within(
    work: Coroutine[object, object, T], *, name: str, tasks: Tasks, timeout_s: float, grace_s: float
) -> T:
    """The result of `work`, or its exception, in bounded time.

    Raises:
        Overrun: If it did not end within `timeout_s`; it is cancelled, and after `grace_s`
            left to itself.
    """
    task = tasks.start(_caught(work), name=name)
    # A task that is cancelled before its first step never begins `work`.
    task.add_done_callback(lambda _: work.close())
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        if not done:
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=grace_s)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done or task.cancelled():
        raise Overrun(f"did not come within {timeout_s:g} s")
    result = task.result()
    if isinstance(result, _Raised):
        raise result.error
    return result


class _Raised(Value, frozen=True):
    """An exception as a value: the task's owner must not report what is handled here."""

    error: Exception


async def _caught(work: Coroutine[object, object, T]) -> T | _Raised:
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - carried to whoever waits
        return _Raised(error)


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def _clipped(outcome: SendOutcome) -> SendOutcome:
    """A reason may quote what a service answered, of any length; a row keeps its beginning."""
    if isinstance(outcome, Delivered) or len(outcome.reason) <= _MAX_REASON:
        return outcome
    return replace(outcome, reason=f"{outcome.reason[:_MAX_REASON]}...")


def _unreadable(row: OutboxRow) -> Tried:
    what = "its words" if row.outgoing is None else "where they came from"
    return Tried(
        outcome=Dead(reason=f"the row cannot be read: {what}"),
        may_be_repeat=row.may_be_repeat,
        cause=Cause.UNREADABLE,
    )


def _untried(row: OutboxRow, reason: str) -> Tried:
    return Tried(
        outcome=RetryAfter(reason=reason), may_be_repeat=row.may_be_repeat, was_asked=False
    )


def _held(row: OutboxRow, reason: str) -> Tried:
    return Tried(outcome=RetryAfter(reason=reason), may_be_repeat=row.may_be_repeat)
