"""The tool `cron`: jobs that an agent makes for itself, on its owner's word.

What a job will say later has the authority of the words that made it, never more (rows J02, Q45).
Words of anybody but the owner make none: a job outlives the conversation in which it was asked for.
Nor do those of a client without `operator.admin`, which the methods of jobs ask for (row Q07).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from carapace.agent.approval import Risk
from carapace.agent.tools.registry import (
    OWNERS,
    ToolAnswer,
    ToolContext,
    Tools,
    ToolTrouble,
    json_answer,
)
from carapace.errors import GatewayError
from carapace.ids import AgentId
from carapace.protocol.cron import CronAdd, CronPayloadIn, CronScheduleIn
from carapace.triggers.cron.service import CronService
from carapace.triggers.cron.types import Job

__all__ = ["CronCall", "cron_tools"]

_MINUTE_MS: Final = 60_000
_MAX_LISTED: Final = 50
_READS: Final = frozenset({"list", "status"})
_Text = Annotated[str, Meta(min_length=1, max_length=4_000)]


class CronCall(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `cron`."""

    action: Annotated[
        Literal["list", "add", "remove", "run", "status"],
        Meta(
            description="list shows your jobs; add needs name, message and one time; status says "
            "how the scheduler stands."
        ),
    ]
    id: Annotated[str, Meta(max_length=200, description="Of remove and run.")] | None = None
    name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    message: Annotated[_Text, Meta(description="What you will be told then.")] | None = None
    at: (
        Annotated[str, Meta(max_length=64, description="Once: ISO 8601 with its offset.")] | None
    ) = None
    every_minutes: Annotated[int, Meta(ge=1, le=525_600)] | None = None
    expr: Annotated[str, Meta(max_length=256, description="A cron expression.")] | None = None
    tz: Annotated[str, Meta(max_length=64, description="IANA zone of expr.")] | None = None
    own_session: Annotated[
        bool,
        Meta(description="Run it apart and send the answer, instead of in the conversation."),
    ] = False


def cron_tools(cron: Callable[[], CronService], default_agent: Callable[[], AgentId]) -> Tools:
    """The tool, on the jobs of the house.

    Args:
        cron: The jobs; built after the tools are.
        default_agent: Whose jobs are those that name no agent.
    """
    tools = Tools()

    @tools.tool("cron", risk=Risk.WRITE, sources=OWNERS, needs_admin=True, reads=_READS)
    async def cron_tool(ctx: ToolContext, params: CronCall) -> str | ToolAnswer:
        """Make, list, run or remove jobs of yours: reminders and tasks at a time to come.

        Use it when the user asks to be reminded or wants something done later or regularly.
        """
        try:
            if params.action == "status":
                return json_answer(ctx, msgspec.to_builtins(await cron().status()))
            return await _do(cron(), ctx, params, default_agent())
        except GatewayError as error:
            raise ToolTrouble(error.message) from None

    return tools


async def _do(cron: CronService, ctx: ToolContext, params: CronCall, default_id: AgentId) -> str:
    if params.action == "add":
        job = await cron.add(_asked(ctx, params), ctx.provenance)
        return f"The job is made: {_line(job)}"
    jobs = [
        job
        for job in await cron.jobs(with_disabled=True)
        if (job.spec.agent_id or default_id) == ctx.agent_id
    ]
    if params.action == "list":
        return "\n".join(_line(job) for job in jobs[:_MAX_LISTED]) or "You have no jobs."
    if params.id not in {job.job_id for job in jobs}:
        raise ToolTrouble("you have no job of that id; use the action list")
    if params.action == "remove":
        await cron.remove(params.id)
        return "The job is removed."
    # Not waited for: its turn may need the place that this one holds.
    ran = await cron.run_job(params.id, is_forced=True, waits=False)
    return "The job has begun." if ran.is_run else "The job runs already."


def _asked(ctx: ToolContext, params: CronCall) -> CronAdd:
    if params.name is None or params.message is None:
        raise ToolTrouble("add needs a name and a message")
    times = [one for one in (params.at, params.every_minutes, params.expr) if one is not None]
    if len(times) != 1:
        raise ToolTrouble("add needs exactly one of at, every_minutes and expr")
    schedule = CronScheduleIn(
        at=params.at,
        every_ms=params.every_minutes * _MINUTE_MS if params.every_minutes else None,
        expr=params.expr,
        tz=(params.tz or ctx.timezone) if params.expr else None,
    )
    if params.own_session:
        payload = CronPayloadIn(
            kind="agentTurn", message=params.message, deliver=True, best_effort_deliver=True
        )
    else:
        payload = CronPayloadIn(kind="systemEvent", text=params.message)
    return CronAdd(
        name=params.name,
        schedule=schedule,
        wake_mode="now",
        payload=payload,
        agent_id=ctx.agent_id,
        delete_after_run=True if params.at is not None else None,
    )


def _line(job: Job) -> str:
    """One job as data: its words are no orders."""
    return msgspec.json.encode(
        {
            "id": job.job_id,
            "name": job.spec.name,
            "enabled": job.enabled,
            "schedule": job.spec.schedule,
            "next_run_at_ms": job.state.next_run_at_ms,
            "last_status": job.state.last_status,
        }
    ).decode()
