"""The role `webhook`: a plugin's own part of the web, `/plugins/<id>/...`.

The kernel does its part first: addresses that are locked out, bodies that are too long or come too
slowly never reach a guest. Whose request it is the guest decides, with the secrets that the
gateway compares for it; its 401 and 403 count against the address as a wrong secret does. What
it answers is shown as a stranger's page: it may set no cookie and run no script beside the
gateway's own pages.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import msgspec

from carapace.errors import Refused
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.guest import Guest, said
from carapace.telemetry.log import get_logger
from carapace.triggers.webhook_types import (
    TEXT,
    RawRequest,
    Step,
    Verified,
    VerifiedRequest,
    WebhookAnswer,
    WebhookRoute,
    plain,
)
from carapace.triggers.webhooks import WebhookKernel

__all__ = ["PLUGIN_PATH", "PluginWebhooks", "ReadMedia"]

PLUGIN_PATH: Final = "/plugins"
MAX_BODY_BYTES: Final = 1_048_576
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_OWNER: Final = "plugins"
_MARGIN_S: Final = 1.0
_HIDDEN: Final = frozenset({"cookie", "proxy-authorization"})
"""Of a request: what a browser keeps for the gateway's own pages, and for a proxy."""
_SHOWN: Final = frozenset(
    {
        "allow",
        "cache-control",
        "content-disposition",
        "content-language",
        "content-type",
        "etag",
        "last-modified",
        "location",
        "retry-after",
        "www-authenticate",
    }
)
"""Of an answer: what says something about it alone, and nothing about the gateway's origin."""
_FENCE: Final = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_VALUE: Final = re.compile(r"[\t\x20-\x7e]{0,2048}")
_log = get_logger(__name__)

ReadMedia = Callable[[str], Awaitable[bytes]]
"""The content behind a handle of the media store; raises `Refused` if there is none."""


class _Header(msgspec.Struct, frozen=True):
    name: str
    value: str


class _Body(msgspec.Struct, frozen=True):
    tag: Literal["empty", "text", "base64", "media"]
    value: str | None = None


class _Response(msgspec.Struct, frozen=True):
    """`webhook.response`."""

    status: int
    headers: list[_Header]
    body: _Body


class PluginWebhooks:
    """The plugins' places on the kernel.

    Args:
        kernel: Serves the paths; those below `/plugins` are claimed for good.
        read_media: For answers that are files.
        is_own_secret: Whether a bearer token is the gateway's own; no guest gets to see that.
    """

    def __init__(
        self,
        kernel: WebhookKernel,
        *,
        read_media: ReadMedia,
        is_own_secret: Callable[[str], bool],
    ) -> None:
        self._kernel = kernel
        self._read_media = read_media
        self._is_own_secret = is_own_secret
        kernel.claim(PLUGIN_PATH, _OWNER, _METHODS)

    def open(
        self, guest: Guest, *, call_timeout_s: float, aliases: tuple[str, ...] = ()
    ) -> tuple[Callable[[], None], tuple[str, ...]]:
        """Serve a plugin until the returned function is called.

        Args:
            guest: Answers.
            call_timeout_s: Its longest call; as long again may pass until its worker is free.
            aliases: Further paths that lead to it; the guest sees them as `/`.

        Returns:
            What ends it, and why which aliases are not served.
        """
        owner = f"{_OWNER}.{guest.id}"
        serve = _Serve(guest, self._read_media, self._is_own_secret)

        def mount(path: str) -> None:
            self._kernel.mount(
                WebhookRoute(
                    path=path,
                    owner=owner,
                    verify=_left_to_the_guest,
                    handle=serve,
                    parse=_raw,
                    methods=_METHODS,
                    is_guessable=True,
                    is_judged_late=True,
                    max_bytes=MAX_BODY_BYTES,
                    timeout_s=2 * call_timeout_s + _MARGIN_S,
                )
            )

        base = f"{PLUGIN_PATH}/{guest.id}"
        mount(base)
        mount(f"{base}/*")
        troubles: list[str] = []
        for alias in aliases:
            if f"{alias}/".startswith(f"{PLUGIN_PATH}/"):
                troubles.append(
                    f"the address {alias} of {guest.id} is in the plugins' own place, where each "
                    "has its own: choose another one"
                )
                continue
            try:
                mount(alias)
            except Refused as refused:
                troubles.append(refused.message)

        def shut() -> None:
            self._kernel.unmount(owner)

        return shut, tuple(troubles)


class _Serve:
    """Answers the requests of one plugin, only after its call has ended."""

    __slots__ = ("_guest", "_is_own_secret", "_read_media")

    def __init__(
        self, guest: Guest, read_media: ReadMedia, is_own_secret: Callable[[str], bool]
    ) -> None:
        self._guest = guest
        self._read_media = read_media
        self._is_own_secret = is_own_secret

    async def __call__(self, request: VerifiedRequest) -> WebhookAnswer:
        request.enter(Step.AUTHORISE)
        record = self._record(request.raw)
        request.enter(Step.PERSIST)
        try:
            answer = await self._guest.call("webhook", "handle", record)
        except GuestError as error:
            self._note(error.message)
            return _again(error.retry_after_ms) if error.retryable else _NOT_TAKEN
        except (GuestTrap, PluginUnavailable) as error:
            self._note(str(error))
            return _again(None)
        return await self._answer(answer)

    def _note(self, why: str) -> None:
        """Why goes to the log alone: whoever sent the request may be anybody."""
        _log.warning("a plugin did not handle a request", plugin=self._guest.id, why=said(why))

    def _record(self, raw: RawRequest) -> dict[str, Any]:
        """`webhook.request`."""
        below = raw.path.removeprefix(f"{PLUGIN_PATH}/{self._guest.id}")
        return {
            "method": raw.method,
            "path": below if below.startswith("/") and below != raw.path else "/",
            "query": raw.query,
            "headers": [
                {"name": name, "value": value}
                for name, values in raw.headers.items()
                for value in values
                if name not in _HIDDEN and not self._is_ours(name, value)
            ],
            "body": _body_record(raw.body),
            "remote_address": raw.client_ip,
            "received_at_ms": float(raw.received_at_ms),
        }

    def _is_ours(self, name: str, value: str) -> bool:
        return name == "authorization" and self._is_own_secret(value.partition(" ")[2].strip())

    async def _answer(self, value: Any) -> WebhookAnswer:
        try:
            given = msgspec.convert(value, _Response)
            body, content_type = await self._body(given.body)
        except (msgspec.ValidationError, binascii.Error, Refused) as error:
            self._note(f"its answer makes no sense: {error}")
            return _again(None)
        if not 200 <= given.status <= 599:  # noqa: PLR2004 - RFC 9110, section 15; 1xx are not ours
            self._note(f"its answer has the status {given.status}")
            return _again(None)
        headers = _headers(given.headers)
        content_type = headers.pop("Content-Type", content_type)
        return WebhookAnswer(
            status=given.status,
            body=body,
            content_type=content_type,
            headers={**_FENCE, **headers},
        )

    async def _body(self, body: _Body) -> tuple[bytes, str]:
        value = body.value or ""
        if body.tag == "base64":
            return base64.b64decode(value, validate=True), "application/octet-stream"
        if body.tag == "media":
            return await self._read_media(value), "application/octet-stream"
        return (value if body.tag == "text" else "").encode(), TEXT


def _left_to_the_guest(_raw: RawRequest) -> Verified:
    """See `WebhookRoute.is_judged_late`."""
    return Verified()


def _raw(raw: RawRequest) -> RawRequest:
    """A guest parses its own bodies."""
    return raw


def _body_record(body: bytes) -> dict[str, Any]:
    """`webhook.body`: text if it is UTF-8, else base64."""
    if not body:
        return {"tag": "empty", "value": None}
    try:
        return {"tag": "text", "value": body.decode()}
    except UnicodeDecodeError:
        return {"tag": "base64", "value": base64.b64encode(body).decode()}


def _headers(given: list[_Header]) -> dict[str, str]:
    """Those that a guest may set, spelt as usual; of several the last one counts."""
    return {
        one.name.title(): one.value
        for one in given
        if one.name.lower() in _SHOWN and _VALUE.fullmatch(one.value)
    }


def _again(after_ms: int | None) -> WebhookAnswer:
    seconds = max(1, -(-(after_ms or 1_000) // 1_000))
    return plain(503, "busy: send it again in a moment", Retry_After=str(seconds))


_NOT_TAKEN: Final = plain(400, "this request was not taken")
