"""What the built-in channels need of rooms that stand above them; `app.py` hands it in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from carapace.channels.types import Outgoing
from carapace.value import Value

__all__ = ["Accepted", "Handle", "ShowInChat", "ShowMediaLink", "WebhookDoor"]


class Accepted(Value, frozen=True, kw_only=True):
    """The answer to a signed request.

    Attributes:
        status: HTTP status.
        body: Sent as JSON.
    """

    status: int
    body: Mapping[str, Any]


Handle = Callable[[Any], Awaitable[Accepted]]
"""Takes the parsed body of a request whose signature was right.

Raises `Refused` (400, or 503 if retryable) and `Failed` (503).
"""

ShowInChat = Callable[[Outgoing], Awaitable[str]]
"""Puts a message into the session that `target.conversation` names and shows it to the clients
that watch; its id. The same idempotency key again gives the same id and shows nothing. Raises
`Refused` if there is no such session, `Failed` if it could not be written down."""

ShowMediaLink = Callable[[str], Awaitable[str | None]]
"""A temporary public address for a media id; None if it is gone or links are switched off."""


class WebhookDoor(Protocol):
    """Serves signed requests: the webhook kernel, seen from here."""

    def open(self, account: str, secret: str, handle: Handle) -> Callable[[], None]:
        """Serve `POST /channels/webhook/<account>` until the returned function is called.

        A request reaches `handle` when its signature over time and raw body is right, it is not
        a repetition, and its body is a JSON object of bounded size and depth.

        Raises:
            Refused: If there can be no such path.
        """
        ...
