"""`talk.mode`: one spoken conversation, shown by all apps."""

from __future__ import annotations

from carapace.errors import Failed
from carapace.methods.context import Context
from carapace.protocol.events import Event
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope
from carapace.protocol.talk import TalkMode, TalkModeSet

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("talk.mode", scope=Scope.WRITE)
def talk_mode(ctx: Context, params: TalkModeSet) -> TalkMode:
    """Say that a spoken conversation begins, goes on or ends; operators are told.

    A chat page has no microphone of its own: without a phone there is nobody to talk to.
    """
    if _is_webchat(ctx) and not ctx.services.nodes.has_mobile():
        raise Failed("talk disabled: no connected iOS/Android nodes")
    mode = TalkMode(params.enabled, params.phase, ctx.services.clock.now_ms())
    ctx.services.publish(Event("talk.mode", mode))
    return mode


def _is_webchat(ctx: Context) -> bool:
    caller = ctx.caller
    return caller.client_mode == "webchat" or caller.client_id == "webchat-ui"
