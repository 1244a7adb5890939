"""What a refused client is told: the Node gateway's texts, with its hint per kind of client.

Stock clients show these texts and some match them ("unauthorized"), so they are kept word
for word (golden `connect.json`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from carapace.protocol.connect import ClientInfo

__all__ = ["Missing", "is_control_ui", "unauthorized"]


class Missing(StrEnum):
    """Which half of a failed shared credential is shown: nothing given, or the wrong thing."""

    MISSING = "missing"
    MISMATCH = "mismatch"


_UI_TOKEN: Final = "open a tokenized dashboard URL or paste token in Control UI settings"  # noqa: S105 - a hint
_UI_PASSWORD: Final = "enter the password in Control UI settings"  # noqa: S105 - a hint


def is_control_ui(client: ClientInfo) -> bool:
    """Whether the id is a Control UI's, of whichever brand (Android's operator uses it too)."""
    return client.id.endswith("-control-ui")


def unauthorized(kind: str, what: Missing, client: ClientInfo | None) -> str:
    """The refusal of a shared credential.

    Args:
        kind: "token" or "password": what the gateway asks for.
        what: Nothing was given, or the wrong one.
        client: Decides the hint; None for a plain HTTP request.
    """
    return f"unauthorized: gateway {kind} {what} ({_hint(kind, client)})"


def _hint(kind: str, client: ClientInfo | None) -> str:
    if client is not None and client.mode == "cli":
        return f"set gateway.remote.{kind} to match gateway.auth.{kind}"
    if client is not None and (
        is_control_ui(client) or client.mode == "webchat" or client.id == "webchat-ui"
    ):
        return _UI_TOKEN if kind == "token" else _UI_PASSWORD
    return f"provide gateway auth {kind}"
