"""One tool, called by a program of the operator's and not by a model (`POST /tools/invoke`).

The same lists, rules and limits hold as in a turn. Nobody is asked: whoever holds a credential
that may write could do the same through a method. What acts on the machine or its files is not
there, as on the Node gateway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from carapace.agent.approval import Risk
from carapace.agent.profiles import Profiles
from carapace.agent.providers.ports import ToolCall
from carapace.agent.tools.memory_store import MemoryStore
from carapace.agent.tools.policy import GROUPS
from carapace.agent.tools.registry import ToolContext, ToolRow
from carapace.agent.tools.runner import ToolReport, ToolRunner
from carapace.agent.types import words_of
from carapace.auth.types import Caller
from carapace.clock import Clock
from carapace.errors import GatewayError
from carapace.ids import RunId, new_id
from carapace.protocol.scopes import Scope, allows
from carapace.provenance import Authority, Origin, Provenance
from carapace.sessions.keys import agent_of
from carapace.sessions.service import Sessions
from carapace.value import Value

__all__ = ["Invoked", "NotInvoked", "ToolInvoker"]

_PROGRAM: Final = Provenance(origin=Origin.HTTP, authority=Authority.OWNER)
_MAIN: Final = "main"
_NOT_HERE: Final = frozenset((*GROUPS["group:fs"], *GROUPS["group:runtime"]))
_SCOPES: Final = {Risk.READ: Scope.READ, Risk.WRITE: Scope.WRITE, Risk.OUTSIDE: Scope.WRITE}


class Invoked(Value, frozen=True):
    """It was done.

    Attributes:
        result: `{"content": [{"type": "text", "text": ...}], "details"?: ...}`, JSON-ready.
    """

    result: dict[str, Any]


class NotInvoked(Value, frozen=True):
    """It was not done, or failed.

    Attributes:
        kind: `not_found` (404), `tool_error` or `invalid_request_error` (400), `forbidden` (403).
        message: For people.
    """

    kind: Literal["not_found", "tool_error", "invalid_request_error", "forbidden"]
    message: str


class ToolInvoker:
    """Runs tools outside of turns.

    Args:
        tools: All of them, with their lists and rules.
        sessions: For the tools, and for what a key means.
        memory: For the tools.
        profiles: Which agents there are.
        clock: For the tools.
    """

    def __init__(
        self,
        tools: ToolRunner,
        *,
        sessions: Sessions,
        memory: MemoryStore,
        profiles: Profiles,
        clock: Clock,
    ) -> None:
        self._tools = tools
        self._sessions = sessions
        self._memory = memory
        self._profiles = profiles
        self._clock = clock

    async def invoke(
        self,
        name: str,
        *,
        action: str | None = None,
        args: Mapping[str, Any] | None = None,
        session_key: str | None = None,
        caller: Caller,
    ) -> Invoked | NotInvoked:
        """Run a tool once, within its own time limit.

        Args:
            name: Which.
            action: Becomes the argument `action` of a tool that has one, unless `args` says it.
            args: The arguments, JSON-ready.
            session_key: In whose name; the main session without it.
            caller: Who asks, and what they may do.
        """
        name = name.strip()
        if not name:
            return NotInvoked("invalid_request_error", "tools.invoke requires body.tool")
        try:
            ctx = self._context(session_key, caller)
        except GatewayError as error:
            return NotInvoked("tool_error", error.message)
        if not self._profiles.knows(ctx.agent_id):
            return NotInvoked("tool_error", f'unknown agent id "{ctx.agent_id}"')
        row = None if name in _NOT_HERE else self._tools.find(name, ctx)
        if row is None:
            return NotInvoked("not_found", f"Tool not available: {name[:100]}")
        needed = _needed(row, (args or {}).get("action", action))
        if not allows(caller.scopes, needed):
            return NotInvoked("forbidden", f"missing scope: {needed}")
        call = ToolCall(ctx.call_id, name, _arguments(row, action, args or {}))
        return _answer(await self._tools.run(call, ctx))

    def _context(self, session_key: str | None, caller: Caller) -> ToolContext:
        key = self._sessions.key((session_key or "").strip() or _MAIN)
        agent_id = agent_of(key, default=self._profiles.default_id)
        call_id = new_id()
        return ToolContext(
            run_id=RunId(f"tool-{call_id}"),
            session_key=key,
            agent_id=agent_id,
            provenance=words_of(caller.scopes, _PROGRAM),
            timezone=self._profiles.get(agent_id).timezone,
            clock=self._clock,
            sessions=self._sessions,
            memory=self._memory,
            call_id=call_id,
            is_direct=True,
        )


def _needed(row: ToolRow, action: object) -> Scope:
    """What the methods ask for that do the same."""
    if row.needs_admin and not (isinstance(action, str) and action in row.reads):
        return Scope.ADMIN
    return _SCOPES[row.risk]


def _arguments(row: ToolRow, action: str | None, args: Mapping[str, Any]) -> str:
    has_action = "action" in row.spec.parameters.get("properties", {})
    if action and has_action and "action" not in args:
        args = {**args, "action": action}
    return msgspec.json.encode(dict(args)).decode()


def _answer(report: ToolReport) -> Invoked | NotInvoked:
    if report.outcome in ("unknown", "denied"):  # changed since it was looked up
        return NotInvoked("not_found", report.text)
    if report.is_error:
        return NotInvoked("tool_error", report.text)
    result: dict[str, Any] = {"content": [{"type": "text", "text": report.text}]}
    if report.details is not None:
        result["details"] = report.details
    return Invoked(result)
