"""Wire types of `agent`, `agent.wait`, `agent.identity.get`, `agents.list` and the `agent` event.

`agent` answers twice: `AgentAccepted` once the message is on disk, `AgentFinal` when the run
ended (protocol 3, sections 2.1 and 2.3).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "AgentAccepted",
    "AgentEvent",
    "AgentFinal",
    "AgentIdentity",
    "AgentIdentityGet",
    "AgentMeta",
    "AgentParams",
    "AgentPayload",
    "AgentResult",
    "AgentRow",
    "AgentRowIdentity",
    "AgentWait",
    "AgentWaited",
    "AgentsPage",
    "Attachment",
    "InjectedFile",
    "PendingToolCall",
    "PromptChars",
    "PromptReport",
    "PromptSandbox",
    "ResultMeta",
    "SkillChars",
    "SkillsChars",
    "TokenUsage",
    "ToolChars",
    "ToolsChars",
]

NonEmpty = Annotated[str, Meta(min_length=1)]
IdempotencyKey = Annotated[
    str,
    Meta(min_length=1, max_length=256, description="Chosen by the caller; names the run."),
]
SessionKeyText = Annotated[str, Meta(min_length=1, max_length=512)]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """What comes in: camel case, nothing unknown."""


class _Out(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """What goes out: camel case, absent rather than null."""


class Attachment(msgspec.Struct, rename="camel", frozen=True):
    """A file sent beside a message; clients add fields of their own, which count for nothing."""

    type: str | None = None
    mime_type: str | None = None
    file_name: str | None = None
    content: Annotated[str, Meta(description="Base64, with or without a data: head.")] | None = None


class AgentParams(_In, frozen=True):
    """Params of `agent`."""

    message: NonEmpty
    idempotency_key: IdempotencyKey
    agent_id: NonEmpty | None = None
    to: str | None = None
    reply_to: str | None = None
    session_id: str | None = None
    session_key: Annotated[str, Meta(max_length=512)] | None = None
    thinking: str | None = None
    deliver: bool | None = None
    attachments: tuple[Attachment, ...] = ()
    channel: str | None = None
    reply_channel: str | None = None
    account_id: str | None = None
    reply_account_id: str | None = None
    thread_id: str | None = None
    group_id: str | None = None
    group_channel: str | None = None
    group_space: str | None = None
    timeout: Annotated[int, Meta(ge=0, description="Seconds; 0 is the default.")] | None = None
    lane: str | None = None
    extra_system_prompt: str | None = None
    label: Annotated[str, Meta(max_length=64)] | None = None
    spawned_by: Annotated[str, Meta(max_length=512)] | None = None


class AgentAccepted(_Out, frozen=True):
    """First answer of `agent`; `in_flight` if the key names a run that has not ended yet."""

    run_id: str
    status: Literal["accepted", "in_flight"]
    accepted_at: int


class TokenUsage(_Out, frozen=True):
    """Tokens of a run's last model request; `input` leaves out what a cache held."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    total: int


class AgentMeta(_Out, frozen=True):
    """Which session and model answered."""

    session_id: str
    provider: str
    model: str
    usage: TokenUsage


class PromptSandbox(_Out, frozen=True):
    """Where the tools of the run act; they have no shell, so nothing is sandboxed."""

    mode: str
    sandboxed: bool


class PromptChars(_Out, frozen=True):
    """Sizes of the system prompt, workspace files apart from the rest."""

    chars: int
    project_context_chars: int
    non_project_context_chars: int


class InjectedFile(_Out, frozen=True):
    """One workspace file: how much there is and how much of it the model saw."""

    name: str
    path: str
    missing: bool
    raw_chars: int
    injected_chars: int
    truncated: bool


class SkillChars(_Out, frozen=True):
    """One skill's share of the prompt."""

    name: str
    block_chars: int


class SkillsChars(_Out, frozen=True):
    """The skills' share of the prompt."""

    prompt_chars: int
    entries: tuple[SkillChars, ...]


class ToolChars(_Out, frozen=True):
    """One tool's share of the request."""

    name: str
    summary_chars: int
    schema_chars: int
    properties_count: int


class ToolsChars(_Out, frozen=True):
    """The tools' share of the request."""

    list_chars: int
    schema_chars: int
    entries: tuple[ToolChars, ...]


class PromptReport(_Out, frozen=True):
    """What the system prompt of a run was made of."""

    source: Literal["run"]
    generated_at: int
    session_id: str
    session_key: str
    provider: str
    model: str
    workspace_dir: str
    bootstrap_max_chars: int
    sandbox: PromptSandbox
    system_prompt: PromptChars
    injected_workspace_files: tuple[InjectedFile, ...]
    skills: SkillsChars
    tools: ToolsChars


class AgentPayload(_Out, frozen=True):
    """One message of the answer; `media_url` is null where there is none."""

    text: str
    media_url: str | None


class PendingToolCall(_Out, frozen=True):
    """A tool of the caller that the model wants; `arguments` is JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


class ResultMeta(_Out, frozen=True):
    """How the answer came about; the report is kept in memory only.

    `stop_reason` is there if the model did not simply come to an end: `tool_calls`, `length`
    or `filtered`.
    """

    duration_ms: int
    agent_meta: AgentMeta
    aborted: bool
    system_prompt_report: PromptReport | None = None
    stop_reason: str | None = None
    pending_tool_calls: tuple[PendingToolCall, ...] = ()


class AgentResult(_Out, frozen=True):
    """The answer of a run."""

    payloads: tuple[AgentPayload, ...]
    meta: ResultMeta


class AgentFinal(_Out, frozen=True):
    """Second answer of `agent`; with `status: error` it travels beside an error."""

    run_id: str
    status: Literal["ok", "error"]
    summary: str
    result: AgentResult | None = None


class AgentWait(_In, frozen=True):
    """Params of `agent.wait`."""

    run_id: NonEmpty
    timeout_ms: Annotated[int, Meta(ge=0)] = 30_000


class AgentWaited(_Out, frozen=True):
    """Answer of `agent.wait`; `timeout` says that the wait ended, not the run."""

    run_id: str
    status: Literal["ok", "error", "timeout"]
    started_at: int | None = None
    ended_at: int | None = None
    error: str | None = None


class AgentIdentityGet(_In, frozen=True):
    """Params of `agent.identity.get`; the session key wins over the default agent."""

    agent_id: NonEmpty | None = None
    session_key: SessionKeyText | None = None


class AgentIdentity(_Out, frozen=True):
    """Who the assistant is; `avatar` is a letter, an emoji or an address of a picture."""

    agent_id: str
    name: str
    avatar: str
    emoji: str | None = None


class AgentRowIdentity(_Out, frozen=True):
    """What is known of an agent's looks."""

    name: str | None = None
    theme: str | None = None
    emoji: str | None = None
    avatar: str | None = None


class AgentRow(_Out, frozen=True):
    """One agent of `agents.list`."""

    id: str
    name: str | None = None
    identity: AgentRowIdentity | None = None


class AgentsPage(_Out, frozen=True):
    """Answer of `agents.list`."""

    default_id: str
    main_key: str
    scope: str
    agents: tuple[AgentRow, ...]


class AgentEvent(_Out, frozen=True):
    """Payload of the `agent` event; `seq` counts within the run, from 1."""

    run_id: str
    stream: Literal["lifecycle", "assistant", "tool", "compaction", "error"]
    data: dict[str, Any]
    session_key: str
    seq: int
    ts: int
