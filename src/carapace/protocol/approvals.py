"""Commands that wait for a person, and those that need not: `exec.approval.*`, `exec.approvals.*`.

The document of `exec.approvals.*` has the shape of the Node gateway's file, because clients read
it, change it and send the whole of it back.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "ApprovalAnswer",
    "ApprovalAsk",
    "ApprovalDecision",
    "ApprovalRequested",
    "ApprovalResolved",
    "ApprovalSubject",
    "ApprovalsAgent",
    "ApprovalsDefaults",
    "ApprovalsEntry",
    "ApprovalsFile",
    "ApprovalsReplace",
    "ApprovalsShown",
    "ApprovalsSnapshot",
    "ApprovalsSocket",
    "Ask",
    "ResolveAnswer",
    "ResolveApproval",
    "Security",
]

Security = Literal["deny", "allowlist", "full"]
Ask = Literal["off", "on-miss", "always"]
ApprovalDecision = Literal["allow-once", "allow-always", "deny"]

_Time = Annotated[int, Meta(ge=0)]
_Text = Annotated[str, Meta(max_length=8_192)]
_Id = Annotated[str, Meta(min_length=1, max_length=200)]
_Command = Annotated[str, Meta(min_length=1, max_length=65_536)]


class _Both(
    msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, frozen=True
):
    """Parts of the document, which go both ways."""


class ApprovalsEntry(_Both, frozen=True):
    """One command that needs no asking.

    Attributes:
        pattern: An absolute path (that program without arguments), a JSON list of texts (exactly
            that program with exactly these arguments), or `digest:` and what a person allowed.
        id: Given by the gateway if missing.
        last_used_at: When it was allowed, in ms.
        last_used_command: As it was shown then.
        last_resolved_path: Of the program then.
    """

    pattern: _Text
    id: _Id | None = None
    last_used_at: _Time | None = None
    last_used_command: _Command | None = None
    last_resolved_path: _Text | None = None


class ApprovalsDefaults(_Both, frozen=True):
    """What holds for every agent that says nothing itself.

    Attributes:
        security: The most that may run; what the settings say is a further limit.
        ask: When a person is asked; the settings may ask more often.
        ask_fallback: Kept for clients, without effect: no answer is a no.
        auto_allow_skills: Kept for clients, without effect: a skill allows no command.
    """

    security: Security | None = None
    ask: Ask | None = None
    ask_fallback: Security | None = None
    auto_allow_skills: bool | None = None


class ApprovalsAgent(ApprovalsDefaults, frozen=True):
    """What holds for one agent, or for all under `*`."""

    allowlist: Annotated[tuple[ApprovalsEntry, ...], Meta(max_length=1_000)] = ()


class ApprovalsSocket(_Both, frozen=True):
    """Where the Node gateway's companion listens; ours has none.

    Attributes:
        token: Taken and forgotten: the document holds no secret.
    """

    path: _Text | None = None
    token: _Text | None = None


class ApprovalsFile(_Both, frozen=True, tag_field="version", tag=1):
    """The document as it is sent."""

    socket: ApprovalsSocket | None = None
    defaults: ApprovalsDefaults = ApprovalsDefaults()
    agents: Annotated[dict[str, ApprovalsAgent], Meta(max_length=500)] = {}


class ApprovalsShown(msgspec.Struct, rename="camel", tag_field="version", tag=1):
    """The document as it is read: every part is there, and nothing secret."""

    socket: ApprovalsSocket
    defaults: ApprovalsDefaults
    agents: dict[str, ApprovalsAgent]


class ApprovalsSnapshot(msgspec.Struct, rename="camel"):
    """The answer to `exec.approvals.get` and `exec.approvals.set`.

    Attributes:
        path: Where it is kept.
        hash: Of this state, for the next change.
    """

    path: str
    exists: bool
    hash: str
    file: ApprovalsShown


class ApprovalsReplace(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Params of `exec.approvals.set`.

    Attributes:
        base_hash: What was read before the change; without it nothing is written.
    """

    file: ApprovalsFile
    base_hash: Annotated[str, Meta(min_length=1)] | None = None


class ApprovalAsk(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Params of `exec.approval.request`: a command that some program wants a person to see.

    Attributes:
        timeout_ms: How long to wait; at most an hour is.
    """

    command: _Command
    id: _Id | None = None
    cwd: _Text | None = None
    host: _Text | None = None
    security: _Text | None = None
    ask: _Text | None = None
    agent_id: _Text | None = None
    resolved_path: _Text | None = None
    session_key: _Text | None = None
    timeout_ms: Annotated[int, Meta(ge=1)] = 120_000


class ApprovalSubject(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What a person is asked about; what is not known is null.

    Attributes:
        command: All of it, with what cannot be seen written out.
        argv: Exactly what would run, where the gateway itself would run it.
        digest: Of exactly that; what is run has the same.
    """

    command: str
    cwd: str | None
    host: str | None
    security: str | None
    ask: str | None
    agent_id: str | None
    resolved_path: str | None
    session_key: str | None
    argv: list[str] | None = None
    digest: str | None = None


class ApprovalRequested(msgspec.Struct, rename="camel"):
    """Payload of `exec.approval.requested`."""

    id: str
    request: ApprovalSubject
    created_at_ms: int
    expires_at_ms: int


class ApprovalResolved(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Payload of `exec.approval.resolved`; `resolved_by` is a name for people."""

    id: str
    decision: ApprovalDecision
    resolved_by: str | None = None
    ts: int


class ApprovalAnswer(msgspec.Struct, rename="camel"):
    """The answer to `exec.approval.request`; `decision` is null if nobody decided in time."""

    id: str
    decision: ApprovalDecision | None
    created_at_ms: int
    expires_at_ms: int


class ResolveApproval(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Params of `exec.approval.resolve`; the decision is `allow-once`, `allow-always` or `deny`."""

    id: _Id
    decision: Annotated[str, Meta(min_length=1, max_length=200)]


class ResolveAnswer(msgspec.Struct):
    """The answer to `exec.approval.resolve`."""

    ok: bool
