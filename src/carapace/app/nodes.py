"""What nodes use of the other rooms."""

from __future__ import annotations

from collections.abc import Callable

from carapace.agent.profiles import Profiles
from carapace.agent.service import AgentService
from carapace.clock import Clock
from carapace.config.settings.nodes import NodesSettings
from carapace.nodes.service import Nodes
from carapace.nodes.subscriptions import Subscriptions
from carapace.nodes.voicewake import VoiceWakeWords
from carapace.protocol.events import Publish
from carapace.sessions.service import Sessions
from carapace.store.ports import Database
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.triggers.node_events import NodeEvents
from carapace.triggers.wakes import Wakes

__all__ = ["node_events", "open_nodes"]


async def open_nodes(
    settings: Callable[[], NodesSettings],
    database: Database,
    sessions: Sessions,
    *,
    publish: Publish,
    clock: Clock,
    audit: Audit,
    metrics: Metrics,
) -> Nodes:
    """The nodes, from the services of the house."""
    return Nodes(
        database,
        words=await VoiceWakeWords.open(database, clock=clock, publish=publish),
        subscriptions=Subscriptions(sessions.key),
        settings=settings,
        publish=publish,
        clock=clock,
        audit=audit,
        metrics=metrics,
    )


def node_events(
    nodes: Nodes,
    agent: AgentService,
    sessions: Sessions,
    *,
    profiles: Profiles,
    database: Database,
    clock: Clock,
) -> NodeEvents:
    """What nodes tell, on the same services."""
    return NodeEvents(
        agent,
        Wakes(database, clock),
        agents=profiles,
        to_key=sessions.key,
        subscriptions=nodes.subscriptions,
        dispatched=nodes.dispatched,
        clock=clock,
    )
