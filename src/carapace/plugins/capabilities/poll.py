"""`poll`: long requests that the gateway holds, each answer brought before the next is asked for.

Many services forget an update once they have told it. So an answer is written down before it is
brought to the plugin, stays there until the plugin took it, and is brought first after a restart:
at least once, and nothing is asked for meanwhile.

One task a name. It is either asking (then it may simply be cancelled, when the request changes
or is stopped) or bringing (then it goes on to the end of that, and only then looks at what has
changed: the change may come from the very call that it is in).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec

from carapace.clock import Clock
from carapace.plugins.capabilities import poll_records as records
from carapace.plugins.capabilities.bell import Bell
from carapace.plugins.capabilities.bringing import MAX_BREAKS, Brought, bring, pause_s
from carapace.plugins.capabilities.codes import Code, guest_error
from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.capabilities.outbound.requester import Requester
from carapace.plugins.capabilities.outbound.wire import Request, Response
from carapace.plugins.capabilities.poll_pace import next_pause
from carapace.plugins.capabilities.poll_records import HeldPoll
from carapace.plugins.capabilities.ports import ServiceEvents
from carapace.plugins.errors import GuestError
from carapace.store.ports import Database, Tx
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["MAX_POLLS", "PollCapability"]

_log = get_logger(__name__)

MAX_POLLS: Final = 32
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_Payload = Annotated[str, msgspec.Meta(max_length=65_536)]


@dataclass(slots=True, kw_only=True)
class _Held:
    """A name and the task behind it."""

    name: str
    request: Request
    payload: str
    bell: Bell
    answer: Any = None
    answer_payload: str = ""
    breaks: int = 0
    failures: int = 0
    is_bringing: bool = False
    is_stopped: bool = False
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class PollCapability:
    """Holds a plugin's requests while its service runs.

    Args:
        plugin_id: Whose.
        database: Where they, and answers that were not taken, are kept.
        clock: The time.
        requester: Sends them.
        events: The service.
        luck: Random numbers of [0, 1).
    """

    def __init__(
        self,
        plugin_id: str,
        database: Database,
        *,
        clock: Clock,
        requester: Requester,
        events: ServiceEvents,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self._plugin_id = plugin_id
        self._database = database
        self._clock = clock
        self._requester = requester
        self._events = events
        self._luck = luck
        self._tasks = Tasks(f"polls of plugin {plugin_id}", _report)
        self._held: dict[str, _Held] = {}
        self._changing = asyncio.Lock()
        self.call = Dispatch(
            "poll",
            {
                "start": Operation(tuple[_Name, Request, _Payload], self._start),
                "stop": Operation(tuple[_Name], self._stop),
            },
        )

    async def resume(self) -> None:
        """Hold again what was held before a restart; once the service runs."""
        async with self._changing:
            for row in await self._database.read(lambda tx: records.all_of(tx, self._plugin_id)):
                if row.name not in self._held:
                    await self._take_up(row)

    async def aclose(self) -> None:
        """Hold nothing more; a restart takes it up again."""
        await self._tasks.close()
        self._held.clear()

    async def _start(self, name: str, request: Request, payload: str) -> None:
        self._requester.check(request)
        async with self._changing:
            held = self._held.get(name)
            is_held = held is not None and not held.is_stopped
            if held is not None and is_held and (held.request, held.payload) == (request, payload):
                return
            row = HeldPoll(name=name, request=_encode(request), payload=payload)
            has_room = await self._database.write(
                lambda tx: records.put(tx, self._plugin_id, row, max_count=MAX_POLLS)
            )
            if not has_room:
                raise guest_error(
                    Code.QUOTA, f"{MAX_POLLS} requests are held already: stop one first"
                )
            await self._begin(name, request, payload)

    async def _begin(self, name: str, request: Request, payload: str) -> None:
        held = self._held.get(name)
        if held is None:
            stored = await self._database.read(lambda tx: records.all_of(tx, self._plugin_id))
            await self._take_up(next(row for row in stored if row.name == name))
            return
        held.request, held.payload = request, payload
        held.is_stopped = False
        held.failures = 0
        if not held.is_bringing:
            self._restart(held)

    async def _stop(self, name: str) -> bool:
        async with self._changing:
            was_held = await self._database.write(
                lambda tx: records.remove(tx, self._plugin_id, name)
            )
            if (held := self._held.get(name)) is not None:
                held.is_stopped = True
                held.bell.ring()
                if not held.is_bringing:
                    del self._held[name]
                    if held.task is not None:
                        held.task.cancel()
        return was_held

    async def _take_up(self, row: HeldPoll) -> None:
        """Begin to hold what a row says."""
        try:
            request = msgspec.json.decode(row.request, type=Request)
            answer = None if row.answer is None else msgspec.json.decode(row.answer)
        except msgspec.DecodeError:
            _log.error("a held request cannot be read", plugin=self._plugin_id, poll=row.name)
            await self._database.write(lambda tx: records.remove(tx, self._plugin_id, row.name))
            return
        held = _Held(
            name=row.name,
            request=request,
            payload=row.payload,
            bell=Bell(self._clock, self._tasks),
            answer=answer,
            answer_payload=row.answer_payload,
            breaks=row.failures,
        )
        self._held[row.name] = held
        self._restart(held)

    def _restart(self, held: _Held) -> None:
        if held.task is not None:
            held.task.cancel()
        held.task = self._tasks.start(self._run(held), name=held.name)

    async def _run(self, held: _Held) -> None:
        while not held.is_stopped:
            wait_s = 0.0
            if held.answer is None:
                wait_s = await self._ask(held)
            await self._bring(held)
            if wait_s > 0 and not held.is_stopped:
                await held.bell.wait(wait_s)
        if self._held.get(held.name) is held:
            del self._held[held.name]

    async def _ask(self, held: _Held) -> float:
        """Send the request and keep its answer; how long to wait before the next one."""
        began_s = self._clock.monotonic()
        answer = await self._answer(held.request)
        took_s = self._clock.monotonic() - began_s
        pace = next_pause(answer, took_s=took_s, failures=held.failures, luck=self._luck())
        # From here to the end of `_bring` nobody cancels this task but `aclose`.
        held.is_bringing = True
        held.failures = pace.failures
        held.breaks = 0
        held.answer = _plain(answer)
        held.answer_payload = held.payload
        if isinstance(answer, Response):
            await self._write_down(held)
        return pace.wait_s

    async def _answer(self, request: Request) -> Response | GuestError:
        try:
            return await self._requester.send(request)
        except GuestError as error:
            return error
        except Exception:  # noqa: BLE001 - the loop must outlive a fault of ours
            _log.exception("a held request broke", plugin=self._plugin_id)
            return guest_error(Code.INTERNAL, "the request failed in the gateway; see its log")

    async def _write_down(self, held: _Held) -> None:
        text = msgspec.json.encode(held.answer).decode()
        await self._save(
            lambda tx: records.keep_answer(
                tx, self._plugin_id, held.name, answer=text, payload=held.answer_payload
            )
        )

    async def _save(self, work: Callable[[Tx], None]) -> None:
        """Write, or go on without: then a crash may lose an answer or bring it twice."""
        try:
            await self._database.write(work)
        except Exception as error:  # noqa: BLE001 - the loop must outlive a sick disk
            _log.warning(
                "the state of a held request was not written down",
                plugin=self._plugin_id,
                reason=f"{type(error).__name__}: {error}",
            )

    async def _bring(self, held: _Held) -> None:
        """Bring the answer until it is taken, or the plugin broke on it too often."""
        held.is_bringing = True
        try:
            absent = 0
            while held.answer is not None and not held.is_stopped:
                outcome = await bring(
                    self._events.on_poll(held.name, held.answer, held.answer_payload),
                    plugin_id=self._plugin_id,
                    what=f"poll {held.name}",
                )
                if outcome is Brought.ABSENT:
                    absent += 1
                    await held.bell.wait(pause_s(absent))
                elif outcome is Brought.TAKEN or await self._is_hopeless(held):
                    await self._done(held)
                else:
                    await held.bell.wait(pause_s(held.breaks))
        finally:
            held.is_bringing = False

    async def _is_hopeless(self, held: _Held) -> bool:
        held.breaks += 1
        if held.breaks >= MAX_BREAKS:
            _log.error(
                "an answer was dropped: the plugin breaks on it",
                plugin=self._plugin_id,
                poll=held.name,
                failures=held.breaks,
            )
            return True
        await self._save(
            lambda tx: records.set_failures(tx, self._plugin_id, held.name, held.breaks)
        )
        return False

    async def _done(self, held: _Held) -> None:
        held.answer = None
        await self._save(
            lambda tx: records.keep_answer(
                tx, self._plugin_id, held.name, answer=None, payload=None
            )
        )


def _plain(answer: Response | GuestError) -> dict[str, Any]:
    if isinstance(answer, Response):
        return {"ok": msgspec.to_builtins(answer)}
    return {
        "err": {
            "code": answer.code,
            "message": answer.message,
            "retryable": bool(answer.retryable),
            "retry_after_ms": answer.retry_after_ms,
        }
    }


def _encode(request: Request) -> str:
    return msgspec.json.encode(request).decode()


def _report(task: str, error: BaseException) -> None:
    _log.error("a request of a plugin is held no more", task=task, exc_info=error)
