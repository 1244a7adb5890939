"""The rooms that the app passes in are what the ports ask for; types are the proof."""

from __future__ import annotations

from carapace.agent.profiles import Profiles
from carapace.agent.service import AgentService
from carapace.triggers.ports import Agents, Routing, Runs
from support.hooks import KnownRouting


def _ports(service: AgentService, profiles: Profiles) -> tuple[Runs, Agents, Routing]:
    return service, profiles, KnownRouting()


def test_the_ports_have_what_the_real_rooms_have():
    for port, real in ((Runs, AgentService), (Agents, Profiles), (Routing, KnownRouting)):
        asked = {name for name in vars(port) if not name.startswith("_")}
        assert asked
        assert all(hasattr(real, name) for name in asked)
    assert _ports.__annotations__["return"] == "tuple[Runs, Agents, Routing]"
