"""`sessions_spawn`: an agent hands a task to a run of its own in another session."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from carapace.agent.approval import Risk
from carapace.agent.subagents.service import Spawned, SpawnWish
from carapace.agent.tools.registry import OWNERS, ToolContext, Tools
from carapace.ids import RunId, SessionKey
from carapace.provenance import Provenance

__all__ = ["SessionsSpawn", "Spawner", "spawn_tools"]


class SessionsSpawn(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Arguments of `sessions_spawn`."""

    task: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=20_000,
            description="Everything it has to know; it sees nothing of this conversation.",
        ),
    ]
    label: Annotated[str, Meta(max_length=64, description="A short name for it.")] | None = None
    agent_id: Annotated[str, Meta(max_length=64, description="Another agent.")] | None = None
    model: Annotated[str, Meta(max_length=256, description="provider/model")] | None = None
    thinking: Annotated[str, Meta(max_length=16, description="off to high")] | None = None
    run_timeout_seconds: (
        Annotated[int, Meta(ge=0, le=86_400, description="Longest time; 0 is the usual.")] | None
    ) = None
    cleanup: Literal["keep", "delete"] = "keep"


class _Answer(msgspec.Struct, rename="camel"):
    """What the model reads."""

    status: str
    run_id: str
    child_session_key: str


class Spawner(Protocol):
    """Starts them: `carapace.agent.subagents.service.SubAgents`."""

    async def spawn(
        self, wish: SpawnWish, *, parent: SessionKey, run_id: RunId, provenance: Provenance
    ) -> Spawned:
        """See there."""
        ...


def spawn_tools(spawner: Spawner) -> Tools:
    """The tool, over the one that starts them."""
    tools = Tools()

    @tools.tool("sessions_spawn", risk=Risk.WRITE, sources=OWNERS)
    async def sessions_spawn(ctx: ToolContext, params: SessionsSpawn) -> str:
        """Start a sub-agent for a task that can be done apart, and go on without waiting.

        Its result comes to this conversation as a message when it has ended.
        """
        spawned = await spawner.spawn(
            SpawnWish(
                task=params.task,
                label=params.label,
                agent_id=params.agent_id,
                model=params.model,
                thinking=params.thinking,
                timeout_s=float(params.run_timeout_seconds or 0) or None,
                cleanup=params.cleanup,
            ),
            parent=ctx.session_key,
            run_id=ctx.run_id,
            provenance=ctx.provenance,
        )
        answer = _Answer("accepted", spawned.run_id, spawned.session_key)
        return msgspec.json.encode(answer).decode()

    return tools
