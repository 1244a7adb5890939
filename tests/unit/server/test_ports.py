"""What the server needs is what the other rooms are."""

from __future__ import annotations

import inspect

import pytest

from carapace.agent.service import AgentService
from carapace.auth.service import Authenticator
from carapace.server import ports
from carapace.server.client import Client


@pytest.mark.parametrize(
    ("port", "real"),
    [
        (ports.Admitter, Authenticator),
        (ports.ChatRuns, AgentService),
        (ports.Link, Client),
        (ports.Member, Client),
    ],
)
def test_the_real_one_has_every_method_of_its_port(port, real):
    needed = [name for name in vars(port) if not name.startswith("_")]
    missing = [name for name in needed if not hasattr(real, name) and name != "dialect"]
    assert needed
    assert missing == []


@pytest.mark.parametrize(
    ("port", "real", "name"),
    [
        (ports.Admitter, Authenticator, "connect"),
        (ports.Admitter, Authenticator, "bearer"),
        (ports.ChatRuns, AgentService, "submit"),
        (ports.ChatRuns, AgentService, "wait"),
        (ports.ChatRuns, AgentService, "updates"),
        (ports.ChatRuns, AgentService, "abort"),
    ],
)
def test_the_parameters_have_the_same_names(port, real, name):
    needed = list(inspect.signature(getattr(port, name)).parameters)
    given = list(inspect.signature(getattr(real, name)).parameters)
    assert given[: len(needed)] == needed
