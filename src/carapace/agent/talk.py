"""What the requests of one turn have in common: prompt, tools, models, and the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from carapace.agent.compaction import DEFAULT_WINDOW
from carapace.agent.profiles import AgentProfile, Profiles
from carapace.agent.prompt import (
    READ_SKILL,
    Prompt,
    PromptFacts,
    PromptStyle,
    build_prompt,
    report,
    style_for,
)
from carapace.agent.providers.fallback import ModelTarget
from carapace.agent.providers.ports import (
    ImagePart,
    ModelMessage,
    TextPart,
    ThinkingLevel,
    ToolSpec,
)
from carapace.agent.runs import Run
from carapace.agent.tools.policy import ToolScope, scope_of
from carapace.agent.tools.runner import ToolRunner
from carapace.agent.types import Submission
from carapace.clock import Clock
from carapace.protocol.agent import PromptReport
from carapace.sessions.types import SessionEntry

__all__ = ["Talk", "begin_talk"]

_LEVELS: Final = frozenset(ThinkingLevel)
_PICTURE: Final = "[a picture]"


@dataclass(slots=True)
class Talk:
    """What the requests of one turn have in common."""

    profile: AgentProfile
    scope: ToolScope
    targets: Sequence[ModelTarget]
    facts: PromptFacts
    prompt: Prompt
    report: PromptReport
    messages: list[ModelMessage]
    thinking: ThinkingLevel
    is_verbose: bool
    shows_reasoning: bool
    response_usage: str | None
    failed: set[str]
    has_compacted: bool = False

    @property
    def overhead_tokens(self) -> int:
        """About what prompt and tools take of the window."""
        return (len(self.prompt.text) + self.report.tools.schema_chars) // 4

    def hide_images(self) -> None:
        """Replace pictures by words, for a model that cannot see."""
        if any(message.has_images for message in self.messages):
            self.messages = [_without_images(message) for message in self.messages]


def begin_talk(
    run: Run,
    entry: SessionEntry,
    targets: Sequence[ModelTarget],
    *,
    profiles: Profiles,
    tools: ToolRunner,
    clock: Clock,
    addition: str,
) -> Talk:
    """The talk of `run`, without its messages.

    Args:
        run: The turn.
        entry: Its session.
        targets: Models in the order they are asked.
        profiles: Prompt, workspace and limits of the agent.
        tools: What a model may call.
        clock: The day and the time in the prompt.
        addition: What hooks add to the prompt.
    """
    asked, target = run.submission, targets[0]
    profile = profiles.get(asked.agent_id)
    style = style_for(target.context_tokens or DEFAULT_WINDOW)
    if target.is_embedded:
        style = PromptStyle.SHORT
    files = profile.workspace.read()
    scope = scope_of(
        run.session_key,
        asked.provenance,
        entry.spawned_by,
        models=tuple(target.ref for target in targets),
    )
    skills = profiles.skills(profile)
    lacks_admin = asked.provenance.lacks_admin
    listed = tools.specs(asked.source, style, scope, lacks_admin=lacks_admin)
    if not skills:
        listed = tuple(tool for tool in listed if tool.name != READ_SKILL)
    facts = PromptFacts(
        name=profiles.identity(asked.agent_id, files).name,
        files=files,
        tools=_tools(asked, listed),
        style=style,
        today=clock.now(),
        timezone=profile.timezone,
        session_key=run.session_key,
        model=target.ref,
        extra=_extra(run, target, addition),
        skills=skills,
    )
    prompt = build_prompt(facts)
    return Talk(
        profile=profile,
        scope=scope,
        targets=targets,
        facts=facts,
        prompt=prompt,
        report=report(
            prompt,
            facts,
            session_id=run.session_id,
            shown_key=asked.shown_key,
            workspace_dir=str(profile.workspace.root),
            max_chars=profile.workspace.max_chars,
            now_ms=clock.now_ms(),
        ),
        messages=[],
        thinking=_thinking(asked.thinking, entry.thinking_level, profile.thinking),
        is_verbose=_is_verbose(entry.verbose_level, default=profile.is_verbose),
        shows_reasoning=entry.reasoning_level == "on",
        response_usage=entry.response_usage,
        failed=set(),
    )


def _tools(asked: Submission, own: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
    """Ours and the caller's; two of one name would be refused by the vendors."""
    if not asked.client_tools:
        return own
    if asked.forced_call is not None:
        return asked.client_tools
    theirs = {tool.name for tool in asked.client_tools}
    return (*(tool for tool in own if tool.name not in theirs), *asked.client_tools)


def _thinking(*wishes: str | None) -> ThinkingLevel:
    """The first wish that names a level."""
    for wish in wishes:
        if wish in _LEVELS:
            return ThinkingLevel(wish)
    return ThinkingLevel.OFF


def _is_verbose(level: str | None, *, default: bool) -> bool:
    return default if level is None else level != "off"


def _extra(run: Run, target: ModelTarget, addition: str) -> str | None:
    """The caller's addition, that of hooks, and a word about pictures nobody can see here."""
    asked = run.submission
    parts = [asked.extra_system_prompt or "", addition]
    if asked.images and not target.takes_images:
        parts.append(
            f"The user attached {len(asked.images)} picture(s) that you cannot see; say so."
        )
    return "\n\n".join(part for part in parts if part) or None


def _without_images(message: ModelMessage) -> ModelMessage:
    if not message.has_images:
        return message
    kept = tuple(part for part in message.parts if not isinstance(part, ImagePart))
    return ModelMessage(message.role, kept or (TextPart(_PICTURE),))
