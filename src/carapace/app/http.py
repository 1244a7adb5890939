"""The HTTP endpoints of the house, each with what it uses of other rooms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from carapace.agent.embeddings import Embeddings
from carapace.agent.profiles import Profiles
from carapace.agent.service import AgentService
from carapace.agent.tools.invoke import ToolInvoker
from carapace.agent.understanding.child import ChildReader
from carapace.app.files import Files
from carapace.auth.types import Caller, Origin
from carapace.clock import Clock
from carapace.config.settings import Settings
from carapace.config.settings.http import FileLimits, ImageLimits
from carapace.errors import Failed
from carapace.ids import AgentId, RunId, SessionKey
from carapace.protocol.endpoints import undeclared
from carapace.protocol.registry import Methods
from carapace.server.app import GatewayServer
from carapace.server.http_access import HttpAccess
from carapace.server.http_avatar import AvatarRoutes
from carapace.server.http_canvas import CanvasRoutes, canvas_address
from carapace.server.http_control_ui import ControlUi
from carapace.server.http_embeddings import EmbeddingRoutes
from carapace.server.http_openai import ChatRoutes, ModelRoutes
from carapace.server.http_responses import ResponsesRoutes
from carapace.server.http_tools import ToolRoutes
from carapace.server.openai_door import OpenAiDoor
from carapace.server.openai_files import RequestFiles
from carapace.server.ports import Admitter
from carapace.server.signed_links import SignedLinks
from carapace.sessions import records as session_records
from carapace.sessions import transcripts
from carapace.store.ports import Database, Tx

__all__ = ["Canvas", "HouseAnswers", "HouseAvatars", "serve_http"]


_MAX_MARK_CHARS: Final = 8
_ADDRESS: Final = frozenset("./\\:")


class Canvas:
    """Tells clients where the canvas is.

    Args:
        settings: All settings, as the gateway started with them.
        clock: For the passes.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        canvas = settings.canvas_host
        self._is_served = canvas.enabled and bool(canvas.root or canvas.a2ui_root)
        self._is_tls = settings.gateway.tls.enabled
        self.links = SignedLinks("canvas", now_ms=clock.now_ms)

    def url(self, caller: Caller, origin: Origin) -> str | None:
        """The address for one client; None if nothing is served."""
        if not self._is_served or not origin.host:
            return None
        return canvas_address(self.links, caller, origin, is_tls=self._is_tls)


class HouseAnswers:
    """Earlier runs; satisfies `carapace.server.ports.Answers`."""

    def __init__(self, agent: AgentService, database: Database) -> None:
        self._agent = agent
        self._database = database

    async def session_of(self, run_id: RunId) -> SessionKey | None:
        """See the port."""
        run = await self._agent.find(run_id)
        return run.session_key if run is not None and run.outcome is not None else None

    async def is_latest(self, session_key: SessionKey, run_id: RunId) -> bool:
        """See the port."""

        def newest(tx: Tx) -> str:
            entry = session_records.find(tx, session_key)
            rows = transcripts.tail(tx, entry.session_id, limit=1) if entry is not None else ()
            return rows[-1]["message_id"] if rows else ""

        return (await self._database.read(newest)).rpartition("/")[0] == run_id


class HouseAvatars:
    """Pictures of the agents; satisfies `carapace.server.http_avatar.Avatars`."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    def avatar(self, agent_id: str) -> tuple[str, Path] | None:
        """See the port."""
        if not self._profiles.knows(agent_id):
            return None
        known = AgentId(agent_id)
        return self._profiles.identity(known).avatar, self._profiles.get(known).workspace.root

    def shown(self) -> tuple[str, str]:
        """Name and avatar of the default agent, for a page that anybody may load.

        A letter or an emoji is shown; where a picture is, strangers are not told (advisory C21).
        """
        identity = self._profiles.identity(self._profiles.default_id)
        is_mark = len(identity.avatar) <= _MAX_MARK_CHARS and not _ADDRESS & set(identity.avatar)
        return identity.name, identity.avatar if is_mark else identity.name[:1].upper()


class _Agents:
    """The agents as `/v1/models` lists them."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    def agent_ids(self) -> tuple[str, ...]:
        """All agents, the default one first."""
        return self._profiles.ids


def serve_http(
    server: GatewayServer,
    settings: Callable[[], Settings],
    *,
    methods: Methods,
    admitter: Admitter,
    agent: AgentService,
    profiles: Profiles,
    to_key: Callable[[str], SessionKey],
    invoker: ToolInvoker,
    files: Files,
    canvas: Canvas,
    embeddings: Embeddings,
    database: Database,
    clock: Clock,
) -> None:
    """Add what the configuration asks for; the last to add routes before the server starts.

    Args:
        server: Serves it.
        settings: As they are now.
        methods: The one table of scopes.
        admitter: Judges credentials.
        agent: Runs turns.
        profiles: The agents.
        to_key: A session's key as it is stored.
        invoker: Runs single tools.
        files: Brings files.
        canvas: Made the addresses that clients were told.
        embeddings: Makes vectors.
        database: For earlier answers.
        clock: The time.

    Raises:
        Failed: If a route has no row in the table of endpoints.
    """
    endpoints, access = (
        settings().gateway.http.endpoints,
        HttpAccess(admitter, origin_of=server.guard.origin, methods=methods),
    )
    avatars, models, reader = HouseAvatars(profiles), _Agents(profiles), ChildReader()

    def door(limit_bytes: int, images: ImageLimits, documents: FileLimits) -> OpenAiDoor:
        return OpenAiDoor(
            agent,
            models=models,
            to_key=to_key,
            access=access,
            files=lambda: RequestFiles(
                files.fetcher, files.store, reader, images=images, files=documents
            ),
            max_body_bytes=limit_bytes,
        )

    chat, responses = endpoints.chat_completions, endpoints.responses
    if chat.enabled or responses.enabled:
        server.add(ModelRoutes(models, access=access, clock=clock))
    if chat.enabled:
        way = door(chat.max_body_bytes, chat.images, FileLimits())
        server.add(ChatRoutes(way, clock=clock))
    if responses.enabled:
        way = door(responses.max_body_bytes, responses.images, responses.files)
        server.add(ResponsesRoutes(way, answers=HouseAnswers(agent, database), clock=clock))
    if endpoints.embeddings.enabled:
        limit_bytes = endpoints.embeddings.max_body_bytes
        server.add(EmbeddingRoutes(embeddings, access=access, max_body_bytes=limit_bytes))
    server.add(ToolRoutes(invoker, access=access))
    server.add(
        AvatarRoutes(avatars, access=access, links=SignedLinks("avatar", now_ms=clock.now_ms))
    )
    if settings().canvas_host.enabled:
        server.add(
            CanvasRoutes(
                settings().canvas_host,
                access=access,
                links=canvas.links,
                is_connected=lambda conn_id: any(
                    one.conn_id == conn_id for one in server.hub.callers
                ),
            )
        )
    server.fall_back(ControlUi(lambda: settings().gateway.control_ui, assistant=avatars.shown))
    if strays := undeclared(server.routes()):
        raise Failed(f"no row in the table of endpoints: {', '.join(strays)}")
