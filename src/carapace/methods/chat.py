"""`chat.send`, `chat.abort`, `chat.inject`: a conversation as a chat window holds it."""

from __future__ import annotations

from carapace.agent.runs import Run
from carapace.agent.types import StopReason, Submission, words_of
from carapace.channels.commands import ChatCommand, CommandName, parse_command, row_of
from carapace.errors import Refused
from carapace.ids import RunId
from carapace.methods.attachments import images_of
from carapace.methods.context import Context
from carapace.methods.reply_routes import last_route
from carapace.methods.thinking import level_of
from carapace.protocol.chat import (
    ChatAbort,
    ChatAborted,
    ChatInject,
    ChatInjected,
    ChatSend,
    ChatStarted,
)
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope, allows
from carapace.protocol.sessions import DeliveryContext, SessionOrigin
from carapace.sessions.keys import agent_of
from carapace.sessions.types import Route

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("chat.send", scope=Scope.WRITE)
async def chat_send(ctx: Context, params: ChatSend) -> ChatStarted | ChatAborted:
    """Say something in a session; the answer comes as `chat` events of the same run id."""
    services = ctx.services
    key = services.sessions.key(params.session_key)
    command = _command(ctx, params.message)
    if command is not None and command.name is CommandName.STOP:
        ended = await services.agent.abort(key, reason=StopReason.STOP)
        return ChatAborted(ok=True, aborted=bool(ended), run_ids=ended)
    known = await services.agent.recent(RunId(params.idempotency_key))
    if known is not None:
        return _known(known)
    defaults = services.config.settings.agents.defaults
    images = images_of(params.attachments, defaults.media_max_mb)
    if not params.message.strip() and not images:
        raise Refused("message or attachment required")
    delivers = last_route(await services.sessions.get(key)) if params.deliver else None
    accepted = await services.agent.accept(
        Submission(
            run_id=RunId(params.idempotency_key),
            session_key=key,
            shown_key=params.session_key,
            agent_id=agent_of(key, default=services.profiles.default_id),
            message=params.message,
            images=images,
            thinking=level_of(params.thinking),
            timeout_s=params.timeout_ms / 1000 if params.timeout_ms else None,
            as_chat=True,
            command=command,
            route=None if delivers else _route(ctx),
            reply_route=delivers,
            provenance=words_of(ctx.caller.scopes),
        )
    )
    run = accepted.run
    return ChatStarted(run.run_id, "started") if accepted.is_new else _known(run)


@METHODS.method("chat.abort", scope=Scope.WRITE)
async def chat_abort(ctx: Context, params: ChatAbort) -> ChatAborted:
    """End a run of a session, or all of them."""
    services = ctx.services
    key = services.sessions.key(params.session_key)
    run_id = RunId(params.run_id) if params.run_id is not None else None
    if run_id is not None:
        run = await services.agent.recent(run_id)
        if run is not None and run.outcome is None and run.session_key != key:
            raise Refused("runId does not match sessionKey")
    ended = await services.agent.abort(key, run_id)
    return ChatAborted(ok=True, aborted=bool(ended), run_ids=ended)


@METHODS.method("chat.inject", scope=Scope.ADMIN, advertised=False)
async def chat_inject(ctx: Context, params: ChatInject) -> ChatInjected:
    """Put an assistant's message into a transcript without asking a model."""
    services = ctx.services
    message_id = await services.agent.inject(params.session_key, params.message, params.label)
    services.health.changed()
    return ChatInjected(ok=True, message_id=message_id)


def _command(ctx: Context, message: str) -> ChatCommand | None:
    """What was typed as a command; it needs what the method needs that does the same.

    Raises:
        Refused: If the caller lacks that.
    """
    command = parse_command(message)
    if command is None or row_of(command.name).is_for_services:
        return None
    if not allows(ctx.caller.scopes, command.scope):
        raise Refused(f"missing scope: {command.scope}")
    return command


def _known(run: Run) -> ChatStarted:
    """A key that was used before: how its run stands."""
    run_id, outcome = run.run_id, run.outcome
    if outcome is None:
        return ChatStarted(run_id, "in_flight")
    if outcome.status == "error":
        return ChatStarted(run_id, "error", outcome.error or outcome.summary)
    return ChatStarted(run_id, "ok")


def _route(ctx: Context) -> Route:
    """A chat window is a direct conversation over the web chat channel."""
    client = ctx.call.client
    name = (client.display_name or client.id) if client else ctx.caller.client_id
    return Route(
        origin=SessionOrigin(label=name, provider="webchat", surface="webchat", chat_type="direct"),
        delivery=DeliveryContext(channel="webchat"),
        chat_type="direct",
        display_name=name,
        last_channel="webchat",
    )
