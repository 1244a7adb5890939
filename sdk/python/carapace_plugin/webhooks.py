"""Webhooks: requests that come in under `/plugins/<id>/`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs

from carapace_plugin.bodies import Body, Content, body_of, to_wire
from carapace_plugin.errors import PluginError

__all__ = ["WebhookRequest", "WebhookResponse", "handle", "webhook"]

Answer = Any
_Handler = TypeVar("_Handler", bound=Callable[..., Any])
_handlers: dict[str, Callable[..., Any]] = {}


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """What came in.

    Attributes:
        path: Below `/plugins/<id>`, with its first slash.
        query: As it stood in the URL, without the question mark.
        headers: By lower-case name; the last of several.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Body
    remote_address: str
    received_at_ms: float

    def parameter(self, name: str) -> str | None:
        """The first query parameter of that name."""
        return next(iter(parse_qs(self.query).get(name, ())), None)


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """What goes back."""

    status: int = 200
    body: Content = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def webhook(path: str) -> Callable[[_Handler], _Handler]:
    """Let a function answer requests to `path`; `/` answers whatever no other path answers.

    It may return a `WebhookResponse`, text, a JSON-ready dictionary, or None for an empty 200.

    Raises:
        ValueError: If the path does not begin with a slash or is taken.
    """
    if not path.startswith("/") or path in _handlers:
        raise ValueError(f"{path} does not begin with a slash, or is taken")

    def register(handler: _Handler) -> _Handler:
        _handlers[path] = handler
        return handler

    return register


def handle(wire: dict[str, Any]) -> dict[str, Any]:
    """The contract's `webhook.handle`.

    Raises:
        PluginError: What the handler raised.
    """
    handler = _handlers.get(wire["path"]) or _handlers.get("/")
    if handler is None:
        return _response(WebhookResponse(404, "Nothing answers here."))
    request = WebhookRequest(
        method=wire["method"],
        path=wire["path"],
        query=wire["query"],
        headers={each["name"].lower(): each["value"] for each in wire["headers"]},
        body=body_of(wire["body"]),
        remote_address=wire["remote_address"],
        received_at_ms=wire["received_at_ms"],
    )
    return _response(handler(request))


def _response(answer: Answer) -> dict[str, Any]:
    if answer is None or isinstance(answer, str):
        answer = WebhookResponse(body=answer)
    elif isinstance(answer, dict):
        headers = {"content-type": "application/json"}
        answer = WebhookResponse(body=json.dumps(answer), headers=headers)
    if not isinstance(answer, WebhookResponse):
        raise PluginError("invalid-answer", "A webhook returns text, a dictionary or None.")
    headers = [{"name": name, "value": value} for name, value in answer.headers.items()]
    return {"status": answer.status, "headers": headers, "body": to_wire(answer.body)}
