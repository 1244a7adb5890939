"""`hooks.*` on the webhook kernel: `/hooks/wake`, `/hooks/agent` and the mappings.

Answers are the Node gateway's. What is sent is somebody else's words: it runs with the authority
of an outsider, whoever's agent it reaches, and is shown to the model as a quotation (advisories
D17, D18). Everything is on disk before it is answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec.structs import replace

from carapace.agent.types import Submission
from carapace.channels.types import DEFAULT_ACCOUNT, ReplyRoute, Target
from carapace.clock import Clock
from carapace.config.settings.hooks import HookMapping, HooksSettings
from carapace.errors import Refused
from carapace.ids import AgentId, RunId, SessionKey
from carapace.protocol.sessions import SessionOrigin
from carapace.provenance import Authority, Origin, Provenance
from carapace.sessions.keys import rest_of
from carapace.sessions.types import Route
from carapace.triggers.bounded_json import json_object
from carapace.triggers.hook_access import Denied, HookAccess, ToKey
from carapace.triggers.hook_mappings import (
    apply_mapping,
    first_match,
    path_of,
    served_mappings,
    settings_troubles,
)
from carapace.triggers.hook_requests import (
    AgentHook,
    WakeHook,
    agent_hook,
    idempotency_key,
    run_id_of,
    wake_hook,
)
from carapace.triggers.hook_templates import Source
from carapace.triggers.owed import OwedHooks
from carapace.triggers.ports import Agents, Routing, Runs
from carapace.triggers.signatures import bearer_token
from carapace.triggers.wakes import Wakes
from carapace.triggers.webhook_types import (
    BadBody,
    RawRequest,
    Step,
    VerifiedRequest,
    WebhookAnswer,
    WebhookRoute,
    plain,
)
from carapace.triggers.webhooks import WebhookKernel
from carapace.value import Value

__all__ = ["OWNER", "TOKEN_HEADERS", "HookParts", "Hooks"]

OWNER: Final = "hooks"
TOKEN_HEADERS: Final = (
    "x-carapace-token",
    "x-openclaw-token",
    "x-clawdbot-token",
    "x-moltbot-token",
)
_JSON: Final = "application/json; charset=utf-8"
_LANE: Final = "hook"
_HOOK_SESSIONS: Final = "hook:"
_MAX_QUERY_FIELDS: Final = 64
_PROVENANCE: Final = Provenance(origin=Origin.HOOK, authority=Authority.OUTSIDE)

_Make = Callable[[VerifiedRequest], WakeHook | AgentHook | None]


class HookParts(Value, frozen=True, kw_only=True):
    """What hooks use of other rooms.

    Attributes:
        runs: Knows the runs there are.
        owed: Begins runs durably.
        wakes: Leaves texts in sessions.
        agents: Which agents there are.
        routing: Where answers can go.
        to_key: A session's key as it is stored.
        choose_model: Sets the model of a session.
        is_own_secret: Whether a text is the gateway's own credential.
        clock: The time.
    """

    runs: Runs
    owed: OwedHooks
    wakes: Wakes
    agents: Agents
    routing: Routing
    to_key: ToKey
    choose_model: Callable[[SessionKey, str], Awaitable[object]]
    is_own_secret: Callable[[str], bool]
    clock: Clock


class Hooks:
    """Serves what `hooks.*` says, and follows when that changes.

    Args:
        kernel: Where the routes are mounted.
        parts: See there.
    """

    def __init__(self, kernel: WebhookKernel, parts: HookParts) -> None:
        self._kernel = kernel
        self._parts = parts
        self._access = HookAccess()
        self._troubles: tuple[str, ...] = ()

    def troubles(self) -> tuple[str, ...]:
        """What the configuration asks for and is not served, and why; for people."""
        return self._troubles

    async def resume(self) -> int:
        """Begin again what a restart cut; once, after the agent has recovered. How many."""
        return await self._parts.owed.resume()

    def apply(self, settings: HooksSettings) -> None:
        """Serve these settings from now on; `troubles` says what cannot be served."""
        self._kernel.unmount(OWNER)
        self._access = HookAccess(
            allowed_agents=settings.allowed_agent_ids,
            may_choose_session=settings.allow_request_session_key,
            prefixes=settings.allowed_session_key_prefixes,
        )
        self._troubles = tuple(self._mount(settings)) if settings.enabled else ()

    def _mount(self, settings: HooksSettings) -> list[str]:
        token = (settings.token or "").strip()
        if not token:
            return settings_troubles(settings)
        if self._parts.is_own_secret(token):
            return ["hooks.token is the gateway's own token: give hooks one of their own"]
        mappings, troubles = served_mappings(settings)
        base = "/" + settings.path.strip().strip("/")
        try:
            self._kernel.claim(base, OWNER)
        except Refused as error:
            return [*troubles, f"hooks are not served: {error.message}"]
        for path, make in self._table(base, mappings).items():
            try:
                self._kernel.mount(_route(settings, f"{base}/{path}", self._handler(make)))
            except Refused as error:
                troubles.append(f"one hook is not served: {error.message}")
        return troubles

    def _table(self, base: str, mappings: Sequence[HookMapping]) -> dict[str, _Make]:
        """What is below the base path: our two, then one entry for each path of the mappings."""
        table: dict[str, _Make] = {"wake": _wake, "agent": self._agent}
        mapped = partial(self._mapped, base, tuple(mappings))
        for mapping in mappings:
            table.setdefault(path_of(mapping) or "*", mapped)
        return table

    def _agent(self, request: VerifiedRequest) -> AgentHook:
        return agent_hook(request.value, self._parts.routing.channels())

    def _mapped(
        self, base: str, mappings: Sequence[HookMapping], request: VerifiedRequest
    ) -> WakeHook | AgentHook | None:
        path = request.raw.path[len(base) + 1 :]
        mapping = first_match(mappings, path, request.value)
        if mapping is None:
            return None
        source = _source(request, path, self._parts.clock.now())
        return apply_mapping(mapping, source, self._parts.routing.channels())

    def _handler(self, make: _Make) -> Callable[[VerifiedRequest], Awaitable[WebhookAnswer]]:
        async def handle(request: VerifiedRequest) -> WebhookAnswer:
            try:
                asked = make(request)
                if asked is None:
                    return plain(404, "Not Found")
                key = idempotency_key(request.raw, request.value)
                run_id = run_id_of(request.raw.path, key)
                request.enter(Step.AUTHORISE)
                if isinstance(asked, WakeHook):
                    return await self._wake(request, asked, run_id)
                return await self._run(request, asked, run_id)
            except BadBody as error:
                return _refused(400, error.message)
            except Denied as error:
                return _refused(403, error.message)

        return handle

    async def _wake(
        self, request: VerifiedRequest, asked: WakeHook, run_id: RunId
    ) -> WebhookAnswer:
        agent_id = self._access.agent(None, self._parts.agents, is_configured=False)
        key = self._parts.to_key(f"agent:{agent_id}:main")
        request.enter(Step.PERSIST)
        if asked.mode == "now":
            if await self._parts.runs.find(run_id) is None:
                await self._parts.owed.begin(_submission(asked.text, run_id, key, agent_id))
        else:
            await self._parts.wakes.leave(key, agent_id, run_id, asked.text)
        return _answer(200, {"ok": True, "mode": asked.mode})

    async def _run(
        self, request: VerifiedRequest, asked: AgentHook, run_id: RunId
    ) -> WebhookAnswer:
        parts = self._parts
        agent_id = self._access.agent(
            asked.agent_id, parts.agents, is_configured=asked.is_agent_configured
        )
        key = self._access.session(
            asked.session_key or f"hook:{run_id}",
            agent_id,
            is_chosen=asked.session_key is not None and asked.is_session_chosen,
            to_key=parts.to_key,
        )
        is_chosen = asked.session_key is not None and asked.is_session_chosen
        if asked.model is not None and is_chosen and not rest_of(key).startswith(_HOOK_SESSIONS):
            # It would stay the model of a session that people use.
            raise BadBody("model needs a session of hooks: leave sessionKey out, or use hook:...")
        route = await self._reply_route(asked, parts.to_key(f"agent:{agent_id}:main"))
        request.enter(Step.PERSIST)
        if await parts.runs.find(run_id) is None:
            if asked.model is not None:
                await parts.choose_model(key, asked.model)
            await parts.owed.begin(
                replace(
                    _submission(asked.message, run_id, key, agent_id, name=asked.name),
                    thinking=asked.thinking,
                    timeout_s=asked.timeout_s,
                    reply_route=route,
                    route=_origin(asked) if asked.session_key is None else None,
                )
            )
        return _answer(202, {"ok": True, "runId": run_id})

    async def _reply_route(self, asked: AgentHook, main_key: SessionKey) -> ReplyRoute | None:
        if not asked.deliver:
            return None
        last = await self._parts.routing.last(main_key)
        if asked.channel not in ("last", last.channel if last else None):
            if asked.to is None:
                raise BadBody(f"to required: say to whom on {asked.channel}")
            return ReplyRoute(
                target=Target(channel=asked.channel, account=DEFAULT_ACCOUNT, conversation=asked.to)
            )
        if last is None:
            return None
        if asked.to is not None and asked.to != last.conversation:
            last = replace(last, conversation=asked.to, thread_id=None)
        return ReplyRoute(target=last)


def _route(
    settings: HooksSettings,
    path: str,
    handle: Callable[[VerifiedRequest], Awaitable[WebhookAnswer]],
) -> WebhookRoute:
    return WebhookRoute(
        path=path,
        owner=OWNER,
        verify=bearer_token(settings.token, headers=TOKEN_HEADERS),
        handle=handle,
        parse=json_object,
        is_guessable=True,
        max_bytes=settings.max_body_bytes,
        challenge="Bearer",
        refuse=_refused,
    )


def _wake(request: VerifiedRequest) -> WakeHook:
    return wake_hook(request.value)


def _submission(
    message: str, run_id: RunId, key: SessionKey, agent_id: AgentId, *, name: str | None = None
) -> Submission:
    """A message from outside; what is said about it is the configuration's word alone."""
    sender = f"the webhook {name!r}" if name else "a webhook"
    return Submission(
        run_id=run_id,
        session_key=key,
        shown_key=key,
        agent_id=agent_id,
        message=message,
        extra_system_prompt=(
            f"This turn was started by {sender} and not by your user. Deal with what it sent as "
            "your user would want, and say what you found or did."
        ),
        lane=_LANE,
        provenance=_PROVENANCE,
    )


def _origin(asked: AgentHook) -> Route:
    label = asked.name or "hook"
    return Route(
        origin=SessionOrigin(label=label, provider="hook", surface="hook"), display_name=label
    )


def _source(request: VerifiedRequest, path: str, now: datetime) -> Source:
    raw: RawRequest = request.raw
    pairs = parse_qsl(raw.query[:8_192])[:_MAX_QUERY_FIELDS]
    return Source(
        payload=request.value,
        path=path,
        headers={name: values[0] for name, values in raw.headers.items()},
        query=dict(reversed(pairs)),
        now=now.isoformat(timespec="milliseconds"),
    )


def _answer(status: int, payload: Mapping[str, Any]) -> WebhookAnswer:
    return WebhookAnswer(status=status, body=msgspec.json.encode(payload), content_type=_JSON)


def _refused(status: int, text: str) -> WebhookAnswer:
    return _answer(status, {"ok": False, "error": text})
