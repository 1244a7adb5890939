"""`cron.*`: jobs that start by the clock."""

from __future__ import annotations

from carapace.errors import Refused
from carapace.methods.context import Context
from carapace.protocol.cron import (
    CronAdd,
    CronId,
    CronJob,
    CronJobs,
    CronList,
    CronRan,
    CronRemoved,
    CronRun,
    CronRuns,
    CronRunsEntries,
    CronStatus,
    CronUpdate,
)
from carapace.protocol.registry import EmptyParams, Methods
from carapace.protocol.scopes import Scope
from carapace.provenance import OWNER

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("cron.list", scope=Scope.READ)
async def cron_list(ctx: Context, params: CronList) -> CronJobs:
    """List the jobs, the next to run first; those switched off only on request."""
    jobs = await ctx.services.cron.jobs(with_disabled=params.include_disabled)
    return CronJobs([job.wire() for job in jobs])


@METHODS.method("cron.status", scope=Scope.READ)
async def cron_status(ctx: Context, params: EmptyParams) -> CronStatus:  # noqa: ARG001 - row shape
    """How many jobs there are, and when the next one runs."""
    return await ctx.services.cron.status()


@METHODS.method("cron.add", scope=Scope.ADMIN)
async def cron_add(ctx: Context, params: CronAdd) -> CronJob:
    """Make a job: a text for the main session, or a message run in a session of its own."""
    return (await ctx.services.cron.add(params, OWNER)).wire()


@METHODS.method("cron.update", scope=Scope.ADMIN)
async def cron_update(ctx: Context, params: CronUpdate) -> CronJob:
    """Change a job; what the patch does not name stays as it is."""
    job_id = _id(params.id, params.job_id, "cron.update")
    return (await ctx.services.cron.update(job_id, params.patch)).wire()


@METHODS.method("cron.remove", scope=Scope.ADMIN)
async def cron_remove(ctx: Context, params: CronId) -> CronRemoved:
    """Forget a job and its history."""
    job_id = _id(params.id, params.job_id, "cron.remove")
    return CronRemoved(ok=True, removed=await ctx.services.cron.remove(job_id))


@METHODS.method("cron.run", scope=Scope.ADMIN)
async def cron_run(ctx: Context, params: CronRun) -> CronRan:
    """Run a job now, answered once it has ended; without force only if it is due."""
    job_id = _id(params.id, params.job_id, "cron.run")
    ran = await ctx.services.cron.run_job(job_id, is_forced=params.mode == "force")
    return CronRan(ok=True, ran=ran.is_run, reason=ran.reason)


@METHODS.method("cron.runs", scope=Scope.READ)
async def cron_runs(ctx: Context, params: CronRuns) -> CronRunsEntries:
    """The newest runs of a job that have ended, the oldest of them first."""
    job_id = _id(params.id, params.job_id, "cron.runs")
    return CronRunsEntries(await ctx.services.cron.runs(job_id, params.limit))


def _id(job_id: str | None, older: str | None, method: str) -> str:
    """`id`, or `jobId` as older clients say; not both."""
    if (job_id is None) == (older is None):
        raise Refused(
            f"invalid {method} params: must have required property 'id'; must have required "
            "property 'jobId'; must match a schema in anyOf"
        )
    return job_id or older or ""
