"""`voicewake.*`: the words that wake the apps."""

from __future__ import annotations

from carapace.methods.context import Context
from carapace.protocol.registry import AnyParams, Methods
from carapace.protocol.scopes import Scope
from carapace.protocol.voicewake import VoiceWake, VoiceWakeSet

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("voicewake.get", scope=Scope.READ)
def voicewake_get(ctx: Context, params: AnyParams) -> VoiceWake:
    """The words that wake the apps."""
    del params
    return ctx.services.nodes.words.now()


@METHODS.method("voicewake.set", scope=Scope.WRITE)
async def voicewake_set(ctx: Context, params: VoiceWakeSet) -> VoiceWake:
    """Choose the words that wake the apps; operators and nodes are told."""
    return await ctx.services.nodes.words.put(params.triggers)
