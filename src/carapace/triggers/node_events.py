"""What nodes tell: text that was spoken or shared, sessions they show, how programs went.

A node is the owner's device, but what it passes on may be anybody's: a voice in the room, a page
that was shared. Its words therefore run with the rights of a guest, not of the owner (advisory
B13), and what programs print is shown to the model as information from outside (B14).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from carapace.agent.providers.ports import ThinkingLevel
from carapace.agent.types import Submission
from carapace.auth.types import Caller
from carapace.clock import Clock
from carapace.ids import RunId, new_id
from carapace.nodes.dispatched import Dispatched, ExecNews
from carapace.nodes.subscriptions import Subscriptions
from carapace.provenance import Authority, Origin, Provenance
from carapace.sessions.keys import agent_of
from carapace.triggers.hook_access import ToKey
from carapace.triggers.ports import Agents, Runs
from carapace.triggers.wakes import Wakes

__all__ = ["MAX_TEXT_CHARS", "NodeEvents"]

MAX_TEXT_CHARS: Final = 20_000
_MAX_OUTPUT_CHARS: Final = 4_000
_MAX_TIMEOUT_S: Final = 24 * 3_600.0
_CHANNEL: Final = "node"
_LANE: Final = "node"
_EXEC: Final[tuple[ExecNews, ...]] = ("exec.started", "exec.finished", "exec.denied")


class NodeEvents:
    """Does what a node's event asks for.

    Args:
        runs: Begins runs durably.
        wakes: Leaves texts in sessions.
        agents: Which agents there are.
        to_key: A session's key as it is stored.
        subscriptions: Who follows which sessions.
        dispatched: Which runs of programs a node may tell of.
        clock: The time.
    """

    def __init__(
        self,
        runs: Runs,
        wakes: Wakes,
        *,
        agents: Agents,
        to_key: ToKey,
        subscriptions: Subscriptions,
        dispatched: Dispatched,
        clock: Clock,
    ) -> None:
        self._runs = runs
        self._wakes = wakes
        self._agents = agents
        self._to_key = to_key
        self._subscriptions = subscriptions
        self._dispatched = dispatched
        self._clock = clock

    async def take(self, caller: Caller, event: str, payload: Any) -> None:
        """Take one event; what has no meaning here, or no text, is ignored.

        Raises:
            Refused: If it names no session key, or too many runs wait.
            Failed: If a run could not be written down.
        """
        fields = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
        session_key = _text(fields, "sessionKey")
        if event == "chat.subscribe" and session_key:
            self._subscriptions.follow(caller.conn_id, session_key)
        elif event == "chat.unsubscribe" and session_key:
            self._subscriptions.unfollow(caller.conn_id, session_key)
        elif event == "voice.transcript":
            await self._voice(caller, fields, session_key or "main")
        elif event == "agent.request":
            await self._request(caller, fields, session_key or f"node-{caller.device_id}")
        else:
            for news in _EXEC:
                if event == news:
                    await self._exec(caller, news, fields)

    async def _voice(self, caller: Caller, fields: Mapping[str, Any], session_key: str) -> None:
        await self._run(
            caller,
            _text(fields, "text"),
            session_key,
            run_id=f"voice-{new_id()}",
            thinking=ThinkingLevel.LOW,
        )

    async def _request(self, caller: Caller, fields: Mapping[str, Any], session_key: str) -> None:
        await self._run(
            caller,
            _text(fields, "message"),
            session_key,
            run_id=new_id(),
            thinking=_level(_text(fields, "thinking")),
            timeout_s=_seconds(fields.get("timeoutSeconds")),
        )

    async def _run(
        self,
        caller: Caller,
        text: str,
        session_key: str,
        *,
        run_id: str,
        thinking: ThinkingLevel | None,
        timeout_s: float | None = None,
    ) -> None:
        if not text or len(text) > MAX_TEXT_CHARS:
            return
        key = self._to_key(session_key)
        await self._runs.accept(
            Submission(
                run_id=RunId(run_id),
                session_key=key,
                shown_key=session_key,
                agent_id=agent_of(key, default=self._agents.default_id),
                message=text,
                thinking=thinking,
                timeout_s=timeout_s,
                lane=_LANE,
                provenance=_provenance(caller),
            )
        )

    async def _exec(self, caller: Caller, news: ExecNews, fields: Mapping[str, Any]) -> None:
        node_id, run_id = caller.device_id or "", _text(fields, "runId")
        now_s = self._clock.monotonic()
        session_key = self._dispatched.take(node_id, run_id, news, now_s)
        if session_key is None:
            return
        key = self._to_key(session_key)
        agent_id = agent_of(key, default=self._agents.default_id)
        note_id = RunId(f"{news}-{run_id}")
        told = _told(news, node_id, run_id, fields)
        wants_turn = news != "exec.started"
        await self._wakes.leave(key, agent_id, note_id, told, wants_turn=wants_turn)


def _provenance(caller: Caller) -> Provenance:
    return Provenance(
        origin=Origin.CHANNEL,
        authority=Authority.PAIRED,
        channel=_CHANNEL,
        sender_id=caller.device_id,
    )


def _told(news: ExecNews, node_id: str, run_id: str, fields: Mapping[str, Any]) -> str:
    """What a session hears of a program on a node."""
    command, output = _text(fields, "command"), _text(fields, "output")[:_MAX_OUTPUT_CHARS]
    where = f"on node {node_id[:12]}, run {run_id}"
    if news == "exec.started":
        return f"A program was started {where}: {command}".rstrip(": ")
    if news == "exec.denied":
        why = _text(fields, "reason") or "no reason given"
        return f"A program was not run {where} ({why}): {command}".rstrip(": ")
    code = fields.get("exitCode")
    how = "it took too long" if fields.get("timedOut") is True else f"exit code {_code(code)}"
    return f"A program ended {where}, {how}.\n{output}".rstrip()


def _code(value: Any) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else "unknown"


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value.strip() if isinstance(value, str) else ""


def _level(word: str) -> ThinkingLevel | None:
    """A level of thinking; a word that names none leaves it to the session."""
    try:
        return ThinkingLevel(word.lower())
    except ValueError:
        return None


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return min(float(value), _MAX_TIMEOUT_S) if is_number and value > 0 else None
