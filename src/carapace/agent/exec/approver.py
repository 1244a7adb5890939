"""`PersonApprover`: asks the operators, within what the approvals document leaves open.

Silence is a no, and where nobody could answer the no comes at once. A yes is to exactly what was
shown: the digest goes with it, and what runs must have the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import msgspec

from carapace.agent.approval import (
    APPROVAL_TIMEOUT_S,
    ApprovalRequest,
    Decision,
    Ruling,
    Verdict,
)
from carapace.agent.exec.book import ApprovalsBook
from carapace.agent.exec.document import ExecRules, narrowed
from carapace.agent.exec.judging import Use, judge
from carapace.agent.exec.pending import PendingApprovals, Question
from carapace.agent.exec.service import ExecParams, ExecService
from carapace.agent.exec.shown import shown_text
from carapace.agent.tools.registry import ToolTrouble
from carapace.agent.types import RunSource
from carapace.config.settings.agent_exec import AgentExec
from carapace.errors import GatewayError
from carapace.ids import AgentId
from carapace.protocol.approvals import ApprovalSubject
from carapace.provenance import Provenance
from carapace.sessions.keys import agent_of
from carapace.sessions.types import SessionEntry
from carapace.telemetry.audit import Audit, AuditKind

__all__ = ["EXEC_TOOL", "PROCESS_TOOL", "EntryOf", "PersonApprover", "TellOwner"]

EXEC_TOOL: Final = "exec"
PROCESS_TOOL: Final = "process"
_MAX_SHOWN_CHARS: Final = 65_536
_NOBODY: Final = "it needs a person's yes, and nobody is connected who could give it"
_SILENCE: Final = "nobody allowed it in time"
_TOO_LONG: Final = "it is too long to be shown to a person"

_ON_A_NODE: Final = (
    "commands of this session or agent are set to run on a node, which exec does not do"
)
_NODE: Final = "node"

EntryOf = Callable[[str], Awaitable[SessionEntry | None]]
"""A session by its key, with what it says for itself."""

TellOwner = Callable[[Provenance, str], Awaitable[bool]]
"""Puts a text to the owner's own conversation; False if these words came from none."""


class PersonApprover:
    """Satisfies `carapace.agent.approval.Approver`.

    Args:
        book: What needs no asking.
        pending: Asks.
        service: Looks at commands.
        entry_of: See `EntryOf`; a session can only take away.
        can_answer: Whether anybody is connected who may decide.
        tell_owner: See `TellOwner`.
        audit: Hears of every yes.
        timeout_s: How long a person has.
    """

    def __init__(
        self,
        *,
        book: ApprovalsBook,
        pending: PendingApprovals,
        service: ExecService,
        entry_of: EntryOf,
        can_answer: Callable[[], bool],
        tell_owner: TellOwner,
        audit: Audit,
        timeout_s: float = APPROVAL_TIMEOUT_S,
    ) -> None:
        self._book = book
        self._pending = pending
        self._service = service
        self._entry_of = entry_of
        self._can_answer = can_answer
        self._tell_owner = tell_owner
        self._audit = audit
        self._timeout_s = timeout_s

    async def decide(self, request: ApprovalRequest) -> Ruling:
        """Allow or deny one use of a tool; a yes is bound to its digest."""
        try:
            return await self._decided(request)
        except ToolTrouble as trouble:
            return Ruling(Decision.DENY, str(trouble))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Ruling(Decision.DENY, f"its arguments do not fit: {error}")
        except GatewayError as error:  # a rule that cannot be read or kept allows nothing
            return Ruling(Decision.DENY, error.message)

    async def _decided(self, request: ApprovalRequest) -> Ruling:
        use = await self._use_of(request)
        settings = self._service.settings
        rules = await self._book.rules(
            request.agent_id, security=settings.security, ask=settings.ask
        )
        entry = await self._entry_of(request.session_key)
        hosts = set[str | None]()
        for own in self._own(request, entry):
            hosts.add(own.host)
            rules = narrowed(rules, own.security, own.ask)
        if entry is not None:
            hosts.add(entry.exec_host)
            rules = narrowed(rules, entry.exec_security, entry.exec_ask)
        if use.command is not None and _NODE in hosts:
            return Ruling(Decision.DENY, _ON_A_NODE)
        found = judge(use, rules, request.source)
        if found.verdict is Verdict.DENY:
            return Ruling(Decision.DENY, found.reason)
        if found.verdict is Verdict.ALLOW:
            return self._allowed(request, use, by=found.reason)
        if len(use.shown) > _MAX_SHOWN_CHARS:
            return Ruling(Decision.DENY, _TOO_LONG)
        return await self._ask(request, use, rules)

    def _own(self, request: ApprovalRequest, entry: SessionEntry | None) -> Iterator[AgentExec]:
        """What the agent's settings say, and those of the agent that opened the session (J05)."""
        owner = AgentId(request.agent_id)
        yield self._service.own_of(owner)
        if entry is not None and entry.spawned_by is not None:
            yield self._service.own_of(agent_of(entry.spawned_by, default=owner))

    async def _use_of(self, request: ApprovalRequest) -> Use:
        """What would be done.

        Raises:
            ToolTrouble: If it cannot be.
            msgspec.DecodeError: If the arguments are none.
        """
        raw = request.arguments or "{}"
        if request.tool != EXEC_TOOL:
            arguments: Any = msgspec.json.decode(raw)
            bound = [request.tool, request.agent_id, arguments]
            if request.definition:
                bound.append(request.definition)
            digest = hashlib.sha256(msgspec.json.encode(bound, order="sorted")).hexdigest()
            shown = f"{request.tool} {shown_text(raw)}"
            if request.note:
                shown += f"\n\n{shown_text(request.note)}"
            is_own = request.tool == PROCESS_TOOL
            return Use(tool=request.tool, digest=digest, shown=shown, is_own=is_own)
        params = msgspec.json.decode(raw, type=ExecParams)
        opened = await self._service.look(params, AgentId(request.agent_id))
        opened.close()
        command = opened.command
        return Use(tool=EXEC_TOOL, digest=command.digest, shown=command.shown, command=command)

    async def _ask(self, request: ApprovalRequest, use: Use, rules: ExecRules) -> Ruling:
        question = self._pending.open(_subject(request, use, rules), self._timeout_s)
        try:
            is_told = request.source is RunSource.OPERATOR and await self._tell_owner(
                request.provenance, _question_text(question, use)
            )
            if not is_told and not self._can_answer():
                return Ruling(Decision.DENY, _NOBODY)
            await self._pending.wait(question)
        finally:
            self._pending.withdraw(question)
        if question.decision is None:
            return Ruling(Decision.DENY, _SILENCE)
        by = question.by or "an operator"
        if question.decision == "deny":
            return Ruling(Decision.DENY, f"{by} refused it")
        if question.decision == "allow-always":
            await self._remember(request, use, by)
        return self._allowed(request, use, by=by)

    async def _remember(self, request: ApprovalRequest, use: Use, by: str) -> None:
        """Allow it for good, unless it could run anything: such a yes is for this time only."""
        command = use.command
        if command is not None and command.is_carrier:
            return
        await self._book.grant(
            request.agent_id,
            digest=use.digest,
            command=use.shown,
            path=str(command.path) if command else use.tool,
            by=by,
        )

    def _allowed(self, request: ApprovalRequest, use: Use, *, by: str) -> Ruling:
        self._audit.record(
            AuditKind.TOOL_APPROVED,
            tool=use.tool,
            by=by,
            digest=use.digest,
            command=use.shown[:1_000],
            run_id=request.run_id,
            session_key=request.session_key,
        )
        return Ruling(Decision.ALLOW, bound_to=use.digest)


def _subject(request: ApprovalRequest, use: Use, rules: ExecRules) -> ApprovalSubject:
    command = use.command
    return ApprovalSubject(
        command=use.shown,
        cwd=str(command.cwd) if command else None,
        host="gateway",
        security=rules.security,
        ask=rules.ask,
        agent_id=request.agent_id,
        resolved_path=str(command.path) if command else None,
        session_key=request.session_key,
        argv=list(command.argv) if command else None,
        digest=use.digest,
    )


def _question_text(question: Question, use: Use) -> str:
    """The question where only text can be shown."""
    approval_id = question.asked.id
    what = f"It runs in {use.command.cwd}." if use.command else "It is a use of a tool."
    return (
        f"The assistant asks whether it may do this:\n\n{use.shown}\n\n{what} Answer with\n"
        f"/approve {approval_id} allow-once\n"
        f"/approve {approval_id} allow-always\n"
        f"/approve {approval_id} deny"
    )
