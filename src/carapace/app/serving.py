"""The server with everything it answers: methods, events, and every HTTP route."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from carapace import __version__
from carapace.agent.embeddings import Embeddings
from carapace.agent.events import cut_events
from carapace.agent.service import AgentService
from carapace.agent.tools.invoke import ToolInvoker
from carapace.app.all_methods import METHODS
from carapace.app.files import Files
from carapace.app.http import Canvas, serve_http
from carapace.app.observing import Observing
from carapace.app.source import Source, own_names
from carapace.auth.service import Authenticator
from carapace.clock import Clock
from carapace.config.settings import Settings
from carapace.methods.context import Context, Services
from carapace.protocol.events import Event
from carapace.server.app import GatewayServer, ServerParts
from carapace.server.http_health import HealthRoutes
from carapace.server.http_media import MediaRoutes
from carapace.server.http_webhooks import WebhookCatch
from carapace.store.ports import Database
from carapace.triggers.webhooks import WebhookKernel

__all__ = ["serve"]


def serve(
    settings: Callable[[], Settings],
    services: Services,
    *,
    admitter: Authenticator,
    source: Source,
    files: Files,
    kernel: WebhookKernel,
    invoker: ToolInvoker,
    embeddings: Embeddings,
    database: Database,
    observing: Observing,
) -> GatewayServer:
    """Build the server; it listens when it is started."""
    clock = services.clock
    canvas = Canvas(settings(), clock)
    server = GatewayServer(
        ServerParts(
            methods=METHODS,
            make_context=lambda call: Context(services, call),
            admitter=admitter,
            source=source,
            presence=services.presence,
            nodes=services.nodes,
            origin_settings=lambda: settings().gateway,
            limits=settings().gateway.limits,
            tick_interval_s=settings().gateway.tick_interval_s,
            own_names=own_names(),
            version=__version__,
            host=own_names()[0],
            clock=clock,
            metrics=observing.metrics,
            audit=observing.audit,
            missed=lambda: _cuts(services.agent, clock),
            canvas_url=canvas.url,
        )
    )
    server.catch(WebhookCatch(kernel, origin_of=server.guard.origin))
    server.add(MediaRoutes(files.links, files.store))
    server.add(HealthRoutes(observing.readiness, admitter=admitter, origin_of=server.guard.origin))
    serve_http(
        server,
        settings,
        methods=METHODS,
        admitter=admitter,
        agent=services.agent,
        profiles=services.profiles,
        to_key=services.sessions.key,
        invoker=invoker,
        files=files,
        canvas=canvas,
        embeddings=embeddings,
        database=database,
        clock=clock,
    )
    return server


def _cuts(agent: AgentService, clock: Clock) -> Iterator[Event]:
    """What a client that comes back after a restart hears of the runs it was waiting for."""
    now_ms = clock.now_ms()
    for cut in agent.cut_runs():
        yield from cut_events(cut, ts_ms=now_ms)
