"""The webhook channel: chat for anything that can post JSON.

In: signed posts to `/channels/webhook/<account>`, through the webhook kernel. Out: signed posts
to the account's `callbackUrl`, through the guarded way out, to exactly that host and port.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import httpx2
import msgspec

from carapace.channels.builtin.ports import Accepted, ShowMediaLink, WebhookDoor
from carapace.channels.builtin.webhook_outcome import outcome_of
from carapace.channels.builtin.webhook_wire import (
    SIGNATURE_HEADER,
    decode_message,
    encode_outgoing,
    sign,
)
from carapace.channels.ports import Intake
from carapace.channels.types import (
    ChannelInfo,
    ChatType,
    Dead,
    Delivered,
    Outgoing,
    ReceiptStatus,
    RetryAfter,
    SendOutcome,
    Target,
    Unknown,
)
from carapace.clock import Clock
from carapace.errors import Refused
from carapace.net.client import Egress
from carapace.net.policy import EgressCaller, EgressPolicy, names_own_network
from carapace.net.refused import refusal_of
from carapace.net.url import InvalidUrl, parse_url

__all__ = ["WEBHOOK_ID", "WebhookAccount", "WebhookChannel", "callback_policy"]

WEBHOOK_ID: Final = "webhook"
_LEAST_SECRET: Final = 16
_MAX_ANSWER_BYTES: Final = 64 * 1024
_CONNECT_TIMEOUT_S: Final = 5.0
_ANSWER_TIMEOUT_S: Final = 20.0
_BODY_TIMEOUT_S: Final = 5.0
_STATUS: Final = {ReceiptStatus.ACCEPTED: 202, ReceiptStatus.DROPPED: 403}
_NOT_WRITTEN: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""Errors before the first byte of a request; after it nobody knows what arrived."""


class _Settings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The channel's own part of `channels.webhook`."""

    name: str | None = None
    secret: str | None = None
    callback_url: str | None = None
    callback_secret: str | None = None
    allow_private: bool | None = None
    drops_repeats: bool = False


class WebhookChannel:
    """Satisfies `carapace.channels.ports.Channel`.

    Args:
        door: Serves what comes in.
        egress: The way out.
        clock: The time that is signed.
        media_link: Where a receiver can fetch a file; without it only its id is told.
        add_secret: Told of each secret, so that no log shows it.
    """

    def __init__(
        self,
        door: WebhookDoor,
        egress: Egress,
        *,
        clock: Clock,
        media_link: ShowMediaLink | None = None,
        add_secret: Callable[[str], None] | None = None,
    ) -> None:
        self._door = door
        self._egress = egress
        self._clock = clock
        self._media_link = media_link
        self._add_secret = add_secret
        self._open: list[WebhookAccount] = []

    @property
    def info(self) -> ChannelInfo:
        """It drops repeats only if every open account's receiver does: the stricter rule holds."""
        return ChannelInfo(
            id=WEBHOOK_ID,
            label="Webhook",
            order=90,
            max_text=32_000,
            chat_types=frozenset({ChatType.DIRECT, ChatType.GROUP, ChatType.CHANNEL}),
            drops_repeats=bool(self._open) and all(one.drops_repeats for one in self._open),
            can_edit=True,
            can_delete=True,
            can_react=True,
            can_media=True,
            can_poll=True,
            markdown=True,
            tables=True,
        )

    async def open(
        self, account: str, settings: Mapping[str, Any], intake: Intake
    ) -> WebhookAccount:
        """Start one account.

        Raises:
            Refused: If a setting is missing or wrong; names it, never its value.
        """
        checked = _checked(account, settings)
        for secret in (checked.secret, checked.callback_secret):
            if self._add_secret is not None and secret is not None:
                self._add_secret(secret)
        client = None
        if checked.callback_url is not None:
            policy = callback_policy(checked.callback_url, allow_private=checked.allow_private)
            client = self._egress.http_client(EgressCaller(WEBHOOK_ID, policy))
        made = WebhookAccount(
            account,
            checked,
            intake=intake,
            client=client,
            clock=self._clock,
            media_link=self._media_link,
            on_close=self._open.remove,
        )
        try:
            if checked.secret is not None:
                made.listen(self._door)
        except Refused:
            if client is not None:
                await client.aclose()
            raise
        self._open.append(made)
        return made


class WebhookAccount:
    """Satisfies `carapace.channels.ports.Account`; made by `WebhookChannel.open`."""

    def __init__(
        self,
        name: str,
        settings: _Settings,
        *,
        intake: Intake,
        client: httpx2.AsyncClient | None,
        clock: Clock,
        media_link: ShowMediaLink | None,
        on_close: Callable[[WebhookAccount], None],
    ) -> None:
        self.drops_repeats = settings.drops_repeats
        self._name = name
        self._url = settings.callback_url or ""
        self._secret = settings.callback_secret or settings.secret or ""
        self._inbound_secret = settings.secret or ""
        self._intake = intake
        self._client = client
        self._clock = clock
        self._media_link = media_link
        self._on_close = on_close
        self._shut: Callable[[], None] | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<webhook account {self._name}>"

    def listen(self, door: WebhookDoor) -> None:
        """Take messages from now on.

        Raises:
            Refused: If its name cannot be part of a path.
        """
        self._shut = door.open(self._name, self._inbound_secret, self._receive)

    def trouble(self) -> str | None:
        """Why it cannot send now, for people; None when it can."""
        if self._is_closed:
            return "it is closed"
        if self._client is None:
            return "it has no callbackUrl, so it only receives: set one to let it answer"
        return None

    async def send(self, outgoing: Outgoing) -> SendOutcome:
        """Post `outgoing`, once."""
        if self._is_closed or self._client is None:
            return RetryAfter(reason=self.trouble() or "it is closed")
        body = encode_outgoing(outgoing, await self._links(outgoing))
        try:
            async with self._post(self._client, outgoing.idempotency_key, body) as response:
                answer = await _read(response)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return outcome_of(
                    response.status_code,
                    headers,
                    answer,
                    key=outgoing.idempotency_key,
                    now=self._clock.now(),
                )
        except httpx2.HTTPError as error:
            return _transport_outcome(error)

    def _post(
        self, client: httpx2.AsyncClient, key: str, body: bytes
    ) -> AbstractAsyncContextManager[httpx2.Response]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Idempotency-Key": _header_safe(key),
            SIGNATURE_HEADER: sign(self._secret, body, self._clock.now_ms() // 1000),
        }
        return client.stream("POST", self._url, content=body, headers=headers)

    async def _links(self, outgoing: Outgoing) -> dict[str, str | None]:
        if self._media_link is None:
            return {}
        return {one: await self._media_link(one) for one in outgoing.media}

    async def look_up(self, outgoing: Outgoing) -> Delivered | None:  # noqa: ARG002 - see below
        """A script has no such question to answer; `ChannelInfo.can_look_up` says so."""
        return None

    async def set_typing(self, target: Target, *, is_on: bool) -> None:
        """A script sees no typing; `ChannelInfo.can_type` says so."""

    async def aclose(self) -> None:
        """Stop: no path, no connection."""
        if self._is_closed:
            return
        self._is_closed = True
        self._on_close(self)
        if self._shut is not None:
            self._shut()
        if self._client is not None:
            await self._client.aclose()

    async def _receive(self, value: Any) -> Accepted:
        """One signed message."""
        if self._is_closed:
            raise Refused("The account is closing; send again in a moment.", retryable=True)
        message = decode_message(value, channel=WEBHOOK_ID, account=self._name)
        receipt = await self._intake.receive(message)
        is_dropped = receipt.status is ReceiptStatus.DROPPED
        body: dict[str, Any] = {"ok": not is_dropped, "status": receipt.status.value}
        if receipt.reason:
            body["reason"] = receipt.reason
        return Accepted(status=_STATUS.get(receipt.status, 200), body=body)


def callback_policy(url: str, *, allow_private: bool | None) -> EgressPolicy:
    """What an account may reach: the host and port of its callback address, nothing else.

    Args:
        url: `callbackUrl`.
        allow_private: Whether its address may be private, and http used; None if that is to be
            read from the address itself (`localhost`, or a private one literally).

    Raises:
        Refused: If it is no address to post to, or http to the public.
    """
    try:
        endpoint = parse_url(url)
    except InvalidUrl as error:
        raise Refused(f"callbackUrl is not an address to post to: {error}. Correct it.") from None
    is_private = names_own_network(endpoint) if allow_private is None else allow_private
    if endpoint.scheme == "http" and not is_private:
        raise Refused(
            "callbackUrl is http: words and signatures would go in the clear. Use https, or set "
            "allowPrivate if it is in your own network."
        )
    pair = frozenset({(endpoint.host, endpoint.port)})
    return EgressPolicy(
        allow_hosts=pair if is_private else frozenset(),
        only_hosts=pair,
        allow_http=is_private,
        max_wire_bytes=_MAX_ANSWER_BYTES,
        max_decoded_bytes=_MAX_ANSWER_BYTES,
        max_redirects=0,
        connect_timeout_s=_CONNECT_TIMEOUT_S,
        silence_timeout_s=_ANSWER_TIMEOUT_S,
        total_timeout_s=_ANSWER_TIMEOUT_S + _CONNECT_TIMEOUT_S,
    )


def _checked(account: str, settings: Mapping[str, Any]) -> _Settings:
    try:
        checked = msgspec.convert(dict(settings), _Settings)
    except msgspec.ValidationError as error:
        raise Refused(f"The webhook account {account} is not set up rightly: {error}.") from None
    for name, value in (("secret", checked.secret), ("callbackSecret", checked.callback_secret)):
        if value is not None and len(value.strip()) < _LEAST_SECRET:
            raise Refused(
                f"The {name} of the webhook account {account} is shorter than {_LEAST_SECRET} "
                "characters. Set a longer one, e.g. from `openssl rand -hex 32`."
            )
    if checked.secret is None and checked.callback_url is None:
        raise Refused(
            f"The webhook account {account} has neither a secret (to receive) nor a callbackUrl "
            "(to send). Set one of them, or both."
        )
    if checked.callback_url is not None and not (checked.callback_secret or checked.secret):
        raise Refused(
            f"The webhook account {account} has nothing to sign with. Set callbackSecret or secret."
        )
    return checked


async def _read(response: httpx2.Response) -> bytes:
    """The answer's body; what cannot be read does not change what its status said."""
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            return await response.aread()
    except (httpx2.HTTPError, TimeoutError):
        return b""


def _transport_outcome(error: httpx2.HTTPError) -> SendOutcome:
    if (refused := refusal_of(error)) is not None:
        return Dead(
            reason=f"posting to {refused.host} is not allowed: {refused.reason}. Correct "
            "callbackUrl, or set allowPrivate if it is in your own network."
        )
    kind = type(error).__name__
    if isinstance(error, _NOT_WRITTEN):
        return RetryAfter(reason=f"the receiver could not be reached ({kind})")
    return Unknown(reason=f"the receiver's answer was lost ({kind})")


def _header_safe(key: str) -> str:
    """Our keys are plain ASCII; anything else is written so that no line can end in it."""
    if key.isascii() and key.isprintable():
        return key
    return key.encode("utf-8", "surrogatepass").hex()
