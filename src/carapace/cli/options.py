"""Options that verbs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

__all__ = ["DEFAULT_PLACE", "DEFAULT_REMOTE", "Place", "Remote"]


@Parameter(name="*")
@dataclass(frozen=True)
class Place:
    """Which configuration and state folder is meant, and how to answer."""

    config: str | None = None
    "Configuration file; the Node gateway's own is understood."

    state_dir: str | None = None
    "Folder for everything the gateway keeps."

    json: Annotated[bool, Parameter(name="--json", negative="")] = False
    "Answer in JSON."


@Parameter(name="*")
@dataclass(frozen=True)
class Remote(Place):
    """Which gateway is meant, and who asks."""

    url: str | None = None
    "Address of the gateway, as in ws://127.0.0.1:18789."

    token: str | None = None
    "The gateway's token. Better in CARAPACE_GATEWAY_TOKEN: others can see a command line."

    password: str | None = None
    "The gateway's password, where it has one. Better in CARAPACE_GATEWAY_PASSWORD."

    timeout_s: Annotated[float, Parameter(name="--timeout")] = 10.0
    "Seconds to wait for an answer."


DEFAULT_PLACE = Place()
DEFAULT_REMOTE = Remote()
