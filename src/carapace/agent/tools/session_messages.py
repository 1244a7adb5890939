"""`sessions_send`: a message to another session of the same agent, and its answer.

The words arrive there as those of a session: data with nobody's rights. Such a session writes
to no third one, a run writes to a few at most, and nobody waits for ever; so nothing goes
round.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta

from carapace.agent.approval import Risk
from carapace.agent.tools.registry import ANYBODY, ToolAnswer, ToolContext, Tools, ToolTrouble
from carapace.agent.types import RunOutcome, RunSource, Submission
from carapace.agent.understanding.fence import OutsideText, cleaned, fenced
from carapace.ids import RunId, SessionKey
from carapace.protocol.sessions import MAX_LABEL_CHARS, SessionsResolve
from carapace.provenance import Origin
from carapace.sessions.keys import agent_of

__all__ = ["MAX_SENDS", "Runs", "SessionsSend", "SessionsSendTool"]

MAX_SENDS: Final = 5
"""Messages of one run."""

_WAIT_S: Final = 30
_MAX_WAIT_S: Final = 120
_TIMEOUT_S: Final = _MAX_WAIT_S + 10.0
_REMEMBERED: Final = 1_000
_REPLY_CHARS: Final = 12_000


class SessionsSend(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Arguments of `sessions_send`."""

    message: Annotated[str, Meta(min_length=1, max_length=20_000, description="What to say.")]
    session_key: (
        Annotated[str, Meta(min_length=1, max_length=512, description="As sessions_list names it.")]
        | None
    ) = None
    label: (
        Annotated[
            str, Meta(min_length=1, max_length=MAX_LABEL_CHARS, description="Instead of the key.")
        ]
        | None
    ) = None
    timeout_seconds: Annotated[
        int, Meta(ge=0, le=_MAX_WAIT_S, description="How long to wait for the answer; 0 does not.")
    ] = _WAIT_S


class Runs(Protocol):
    """Takes messages; `carapace.agent.service.AgentService` is one."""

    async def submit(self, submission: Submission) -> object:
        """Write a message down and have it answered."""
        ...

    async def wait(self, run_id: RunId, timeout_s: float) -> RunOutcome | None:
        """How a run ended; None if it takes longer."""
        ...


class SessionsSendTool:
    """Writes to other sessions.

    Args:
        runs: Takes messages.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._sent: OrderedDict[RunId, int] = OrderedDict()

    def tools(self) -> Tools:
        """Its row for the registry."""
        rows = Tools()
        # A session that another one wrote to does not write to a third, or it would never end.
        direct = ANYBODY - {RunSource.OUTSIDE}
        rows.tool("sessions_send", risk=Risk.WRITE, timeout_s=_TIMEOUT_S, sources=direct)(self.send)
        return rows

    async def send(self, ctx: ToolContext, params: SessionsSend) -> ToolAnswer:
        """Send a message to another of your sessions; its answer comes back to you."""
        key = await _key(ctx, params)
        self._count(ctx.run_id)
        run_id = _run_id(ctx, key, params.message)
        await self._runs.submit(
            Submission(
                run_id=run_id,
                session_key=key,
                shown_key=key,
                agent_id=ctx.agent_id,
                message=params.message,
                lane="nested",
                provenance=ctx.provenance.through(Origin.SESSION),
            )
        )
        facts: dict[str, Any] = {"runId": run_id, "sessionKey": key}
        if params.timeout_seconds == 0:
            return ToolAnswer("It was accepted.", {**facts, "status": "accepted"})
        outcome = await self._runs.wait(run_id, float(params.timeout_seconds))
        return _answer(outcome, facts)

    def _count(self, run_id: RunId) -> None:
        """Note one more message of a run.

        Raises:
            ToolTrouble: If it has sent its share.
        """
        n_sent = self._sent.pop(run_id, 0)
        self._sent[run_id] = min(n_sent + 1, MAX_SENDS)
        if len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)
        if n_sent >= MAX_SENDS:
            raise ToolTrouble(f"This turn has written to sessions {MAX_SENDS} times; that is all.")


async def _key(ctx: ToolContext, params: SessionsSend) -> SessionKey:
    """The session that is meant: another one of this agent, and one that is there."""
    if (params.session_key is None) == (params.label is None):
        raise ToolTrouble("Give either sessionKey or label.")
    if params.label is not None:
        found = await ctx.sessions.resolve(
            SessionsResolve(label=params.label, agent_id=ctx.agent_id)
        )
        key = ctx.sessions.key(found.key)
    else:
        key = ctx.sessions.key(params.session_key or "")
    if agent_of(key, default=ctx.agent_id) != ctx.agent_id:
        raise ToolTrouble("That session belongs to another agent; use sessions_list.")
    if key == ctx.session_key:
        raise ToolTrouble("That is this very session; simply answer.")
    if await ctx.sessions.get(key) is None:
        raise ToolTrouble("There is no such session; use sessions_list.")
    return key


def _answer(outcome: RunOutcome | None, facts: dict[str, Any]) -> ToolAnswer:
    if outcome is None:
        text = "It was accepted and is not answered yet; see sessions_history later."
        return ToolAnswer(text, {**facts, "status": "timeout"})
    if outcome.status == "error":
        text = outcome.error or outcome.summary
        raise ToolTrouble(f"That session could not answer: {text}")
    payloads = outcome.result.payloads if outcome.result is not None else ()
    reply = "\n\n".join(one.text for one in payloads if one.text)
    said = OutsideText("answer of a session", facts["sessionKey"], cleaned(reply, _REPLY_CHARS))
    return ToolAnswer(
        fenced([said]) if reply else "It answered nothing.",
        {**facts, "status": "ok", "reply": reply},
    )


def _run_id(ctx: ToolContext, key: str, message: str) -> RunId:
    """The same for the same call of the same run; ids that models give may come twice."""
    text = msgspec.json.encode([ctx.run_id, ctx.call_id, key, message])
    return RunId(f"sessions-send-{hashlib.sha256(text).hexdigest()[:32]}")
