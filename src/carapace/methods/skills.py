"""`skills.*`: folders that tell agents how to do one kind of work."""

from __future__ import annotations

from carapace.methods.context import Context
from carapace.protocol.registry import EmptyParams, Methods
from carapace.protocol.scopes import Role, Scope
from carapace.protocol.skills import (
    SkillBins,
    SkillInstall,
    SkillInstalled,
    SkillsReport,
    SkillUpdate,
    SkillUpdated,
)

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("skills.status", scope=Scope.READ)
def skills_status(ctx: Context, params: EmptyParams) -> SkillsReport:  # noqa: ARG001 - row shape
    """The default agent's skills, what each needs and what is missing."""
    return ctx.services.skills.status()


@METHODS.method("skills.bins", role=Role.NODE)
def skills_bins(ctx: Context, params: EmptyParams) -> SkillBins:  # noqa: ARG001 - row shape
    """Names of the programs that skills speak of, for a node that offers them."""
    return ctx.services.skills.bins()


@METHODS.method("skills.install", scope=Scope.ADMIN)
async def skills_install(ctx: Context, params: SkillInstall) -> SkillInstalled:
    """Run one install command of a skill, if `skills.install.enabled` allows that."""
    return await ctx.services.skills.install(
        params.name, params.install_id, timeout_s=params.timeout_ms / 1000, by=_by(ctx)
    )


@METHODS.method("skills.update", scope=Scope.ADMIN)
async def skills_update(ctx: Context, params: SkillUpdate) -> SkillUpdated:
    """Switch a skill on or off, and keep its keys in the vault."""
    return await ctx.services.skills.update(params, by=_by(ctx))


def _by(ctx: Context) -> str:
    caller = ctx.caller
    return f"{caller.client_id} {caller.device_id or caller.credential}"
