"""Requests to the hosts, methods and paths that plugin.toml names.

The gateway makes them; it puts secrets in by itself, so that the plugin never sees them:
`http.get(url, secrets=[http.header_secret("apiKey", "authorization", "Bearer {}")])`.
"""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from carapace_plugin.bodies import Body, Content, body_of, to_wire
from carapace_plugin.host import call

__all__ = [
    "Response",
    "SecretUse",
    "Want",
    "form_secret",
    "get",
    "header_secret",
    "json_secret",
    "path_secret",
    "post",
    "prepare",
    "query_secret",
    "request",
    "response_of",
]

Want = Literal["text", "base64", "media", "nothing"]
"""How the answer's body is wanted."""


@dataclass(frozen=True, slots=True)
class SecretUse:
    """Where the gateway puts a secret, and the text around it (`{}` stands for the value)."""

    name: str
    place: str
    target: str
    template: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """As the contract's record `secret-use`."""
        place = {"tag": self.place, "value": self.target}
        return {"name": self.name, "place": place, "template": self.template}


def header_secret(name: str, header: str, template: str | None = None) -> SecretUse:
    """The secret as a header: `header_secret("apiKey", "authorization", "Bearer {}")`."""
    return SecretUse(name, "header", header, template)


def path_secret(name: str, placeholder: str, template: str | None = None) -> SecretUse:
    """The secret in place of `placeholder` in the URL's path."""
    return SecretUse(name, "path", placeholder, template)


def query_secret(name: str, parameter: str, template: str | None = None) -> SecretUse:
    """The secret as a query parameter."""
    return SecretUse(name, "query", parameter, template)


def form_secret(name: str, field: str, template: str | None = None) -> SecretUse:
    """The secret as a field of a form, which the body is then."""
    return SecretUse(name, "form", field, template)


def json_secret(name: str, pointer: str, template: str | None = None) -> SecretUse:
    """The secret as a member of a JSON body: `json_secret("apiKey", "/auth/key")`."""
    return SecretUse(name, "json", pointer, template)


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: Body

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400  # noqa: PLR2004 - RFC 9110, 15.5: from here on it did not work

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.text

    def json(self) -> Any:
        """The value that the body says in JSON."""
        return self.body.json()

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        wanted = name.lower()
        return next((value for each, value in self.headers if each.lower() == wanted), None)


def request(method: str, url: str, **options: Any) -> Response:
    """Make a request; options as `prepare` takes them.

    Raises:
        HostError: If it was not allowed, or there was no answer. A status such as 404 is an
            answer.
    """
    return response_of(call("http", "fetch", prepare(method, url, **options)))


def get(url: str, **options: Any) -> Response:
    """`request("GET", ...)`."""
    return request("GET", url, **options)


def post(url: str, **options: Any) -> Response:
    """`request("POST", ...)`."""
    return request("POST", url, **options)


def prepare(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: Content = None,
    json: Any = None,
    form: Mapping[str, str] | None = None,
    secrets: Sequence[SecretUse] = (),
    timeout_s: float = 10.0,
    want: Want = "text",
) -> dict[str, Any]:
    """A request as the gateway takes it, for `request` and `poll.start`.

    Args:
        method: In capitals.
        url: Must be one that plugin.toml admits.
        headers: To send.
        body: Text, bytes or a file of the media store.
        json: A value to send as JSON, in place of `body`.
        form: Fields to send as a form, in place of `body`.
        secrets: That the gateway puts in.
        timeout_s: For the whole request.
        want: How the answer's body is wanted.
    """
    sent = dict(headers or {})
    if json is not None:
        body = json_text.dumps(json)
        sent.setdefault("content-type", "application/json")
    elif form is not None:
        body = urlencode(form)
        sent.setdefault("content-type", "application/x-www-form-urlencoded")
    return {
        "method": method,
        "url": url,
        "headers": [{"name": name, "value": value} for name, value in sent.items()],
        "body": to_wire(body),
        "secrets": [each.to_wire() for each in secrets],
        "timeout_ms": int(timeout_s * 1000),
        "want": want,
    }


def response_of(wire: dict[str, Any]) -> Response:
    """From the contract's record `response`."""
    headers = tuple((each["name"], each["value"]) for each in wire["headers"])
    return Response(wire["status"], headers, body_of(wire["body"]))
