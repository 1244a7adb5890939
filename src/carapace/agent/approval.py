"""May this run use this tool? Policy is a table; what it leaves open, somebody is asked.

Three rules that never bend: what no rule allows is denied, silence is a no (advisory J08), and
the question is decided where the tool would run, not where it was listed (J14).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

import msgspec

from carapace.agent.types import RunSource, source_of
from carapace.provenance import Authority, Provenance
from carapace.value import Value

__all__ = [
    "APPROVAL_TIMEOUT_S",
    "DEFAULT_RULES",
    "ApprovalRequest",
    "Approvals",
    "Approver",
    "Decision",
    "DenyAll",
    "Risk",
    "Ruling",
    "ToolPolicy",
    "Verdict",
]

APPROVAL_TIMEOUT_S: Final = 120.0
"""How long a person has."""

_SLACK_S: Final = 30.0


class Risk(StrEnum):
    """What a tool can do at worst; declared with the tool, never taken from a model."""

    READ = "read"  # looks at what the agent already owns
    WRITE = "write"  # changes what the agent owns
    OUTSIDE = "outside"  # speaks to somebody else
    DANGEROUS = "dangerous"  # acts on the machine or spends money


class Verdict(StrEnum):
    """What the policy says."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class Decision(StrEnum):
    """What was decided in the end."""

    ALLOW = "allow"
    DENY = "deny"


class Ruling(Value, frozen=True):
    """What was decided, and what about.

    Attributes:
        decision: Allow or deny.
        reason: Why not, for the model: half a sentence.
        bound_to: Digest of exactly what may run, for tools that look at it again before they do.
    """

    decision: Decision
    reason: str = ""
    bound_to: str = ""


class ApprovalRequest(Value, frozen=True, kw_only=True):
    """One use of one tool; `arguments` is the JSON text that would be run.

    Attributes:
        definition: Digest of what the tool's maker says about it, where that may change: a yes
            to one definition is none to another.
        note: What a person should know besides; may hold a stranger's words.
    """

    run_id: str
    session_key: str
    agent_id: str
    tool: str
    arguments: str
    risk: Risk
    provenance: Provenance
    definition: str = ""
    note: str = ""

    @property
    def source(self) -> RunSource:
        """What the words that started the run may cause, as the rules tell it apart."""
        return source_of(self.provenance)


class Approver(Protocol):
    """Asks a person, or stands in for one."""

    async def decide(self, request: ApprovalRequest) -> Ruling:
        """Allow or deny; may take as long as the asker's deadline."""
        ...


class DenyAll:
    """For a gateway where nobody can be asked."""

    __slots__ = ()

    async def decide(self, request: ApprovalRequest) -> Ruling:
        """Always no."""
        del request
        return Ruling(Decision.DENY, "it needs a person's yes, and nobody can be asked")


def _rules() -> Mapping[tuple[RunSource, Risk], Verdict]:
    own = {Risk.READ: Verdict.ALLOW, Risk.WRITE: Verdict.ALLOW, Risk.OUTSIDE: Verdict.ASK}
    table = {
        (source, risk): verdict
        for source in (RunSource.OPERATOR, RunSource.HTTP)
        for risk, verdict in own.items()
    }
    table[RunSource.OPERATOR, Risk.DANGEROUS] = Verdict.ASK
    table[RunSource.HTTP, Risk.DANGEROUS] = Verdict.ASK
    table[RunSource.VISITOR, Risk.WRITE] = Verdict.ASK
    return MappingProxyType(table)


DEFAULT_RULES: Final = _rules()
"""Pairs that are missing are denied: only the owner's words read what the agent owns, and words
from outside use nothing, for nobody is asked about them (`carapace.agent.exec.judging`)."""


class ToolPolicy(Value, frozen=True):
    """Which tools exist for an agent and what each pair of source and risk means.

    Attributes:
        allow: Names that may be used; None is all.
        deny: Names that may not, whatever `allow` says.
        rules: Verdicts by source and risk.
    """

    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()
    rules: Mapping[tuple[RunSource, Risk], Verdict] = msgspec.field(
        default_factory=lambda: DEFAULT_RULES
    )

    def verdict(self, tool: str, risk: Risk, source: RunSource) -> Verdict:
        """What the policy says about `tool`."""
        if tool in self.deny or (self.allow is not None and tool not in self.allow):
            return Verdict.DENY
        return self.rules.get((source, risk), Verdict.DENY)


class Approvals:
    """The policy and whoever can be asked.

    Args:
        approver: Asked where the policy says so.
        policy: The table.
        timeout_s: How long a question may stay open before it counts as a no.
    """

    def __init__(
        self,
        approver: Approver,
        *,
        policy: ToolPolicy | None = None,
        timeout_s: float = APPROVAL_TIMEOUT_S + _SLACK_S,
    ) -> None:
        self._approver = approver
        self.policy = policy or ToolPolicy()
        self._timeout_s = timeout_s

    async def permit(self, request: ApprovalRequest) -> Ruling:
        """Decide about one use; words without any authority use nothing, whoever is asked."""
        if request.provenance.authority is Authority.NONE:
            return Ruling(Decision.DENY)
        verdict = self.policy.verdict(request.tool, request.risk, request.source)
        if verdict is not Verdict.ASK:
            return Ruling(Decision.ALLOW if verdict is Verdict.ALLOW else Decision.DENY)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._approver.decide(request)
        except TimeoutError:
            return Ruling(Decision.DENY, "nobody allowed it in time")
