# ruff: noqa: D101, D102 - the entry of a component; wit/plugin.wit says what each does
"""Binds `carapace_zalo` to the contract: the only file that knows WebAssembly.

Imports stand at the top: what is not imported while the component is built is not in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from carapace_zalo import bots, setup
from carapace_zalo.plugin import Plugin
from carapace_zalo.ports import Answer, Level, Message, PortError, Ports, Request, Secret, State
from carapace_zalo.sending import MAX_TEXT, Delivered, Outcome, Outgoing
from carapace_zalo.webhook import Post
from componentize_py_types import Err, Ok, Result
from wit_world import exports
from wit_world.exports import channel as wit_channel
from wit_world.exports import manifest as wit_manifest
from wit_world.exports import setup as wit_setup
from wit_world.exports import webhook as wit_webhook
from wit_world.imports import (
    credentials,
    http,
    inbound,
    kv,
    log,
    media,
    poll,
    status,
    timers,
    types,
)

_Value = TypeVar("_Value")
_PAGE = 100
VERSION = "1.0.0"


# ---- what the plugin asks of the gateway ----


def _asked(function: Callable[..., _Value], *arguments: object) -> _Value:
    try:
        return function(*arguments)
    # An except clause cannot say what its `Err` holds; an import's is always this.
    except Err as error:  # pyright: ignore[reportUnknownVariableType]
        raise _port_error(cast("types.Error", error.value)) from None


def _port_error(error: types.Error) -> PortError:
    return PortError(
        error.code,
        error.message,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
    )


def _wit_error(error: PortError) -> types.Error:
    return types.Error(error.code, error.message, error.retryable, error.retry_after_ms)


def _request(request: Request) -> http.Request:
    return http.Request(
        method="POST",
        url=request.url,
        headers=[types.Header("Content-Type", "application/json")],
        body=types.Body_Text(request.body),
        secrets=[_secret_use(one) for one in request.secrets],
        timeout_ms=request.timeout_ms,
        want=http.Want.TEXT,
    )


def _secret_use(secret: Secret) -> http.SecretUse:
    places = {"path": http.Place_Path, "json": http.Place_Json}
    return http.SecretUse(secret.name, places[secret.place](secret.where), None)


def _answer(response: http.Response) -> Answer:
    named = {one.name.lower(): one.value for one in response.headers}
    body = response.body
    return Answer(
        status=response.status,
        text=body.value if isinstance(body, types.Body_Text) else "",
        retry_after=named.get("retry-after"),
    )


class _Http:
    def fetch(self, request: Request) -> Answer:
        return _answer(_asked(http.fetch, _request(request)))


class _Polls:
    def start(self, name: str, request: Request, payload: str) -> None:
        _asked(poll.start, name, _request(request), payload)

    def stop(self, name: str) -> None:
        _asked(poll.stop, name)


class _Alarms:
    def set(self, name: str, after_ms: int, payload: str) -> None:
        _asked(timers.set, name, time.time() * 1_000 + after_ms, payload)

    def cancel(self, name: str) -> None:
        _asked(timers.cancel, name)


class _Store:
    def get(self, key: str) -> str | None:
        found = _asked(kv.get, key)
        return None if found is None else found.value

    def put(self, key: str, value: str, ttl_ms: int | None = None) -> None:
        _asked(kv.put, key, value, None if ttl_ms is None else float(ttl_ms))

    def delete(self, key: str) -> None:
        _asked(kv.delete, key)

    def scan(self, prefix: str) -> Sequence[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        after: str | None = None
        while page := _asked(kv.scan, prefix, after, _PAGE):
            found += [(one.key, one.value) for one in page]
            after = page[-1].key
        return found


class _Secrets:
    def names(self) -> Sequence[str]:
        return credentials.names()

    def verify(self, name: str, presented: str) -> bool:
        return _asked(credentials.verify, name, presented)


class _Files:
    def content_type(self, handle: str) -> str:
        return _asked(media.info, handle).content_type

    def link(self, handle: str, ttl_ms: int) -> str:
        return _asked(media.link, handle, float(ttl_ms))


class _Inbox:
    def deliver(self, message: Message) -> str:
        return _asked(inbound.deliver, _wit_message(message)).name.lower()


def _wit_message(message: Message) -> inbound.Message:
    photos = [] if message.photo_url is None else [message.photo_url]
    return inbound.Message(
        account=message.account,
        message_id=message.message_id,
        kind=inbound.Kind.MESSAGE,
        conversation_id=message.conversation_id,
        chat_type=inbound.ChatType.GROUP if message.is_group else inbound.ChatType.DIRECT,
        thread_id=None,
        space_id=None,
        label=None,
        sender_id=message.sender_id,
        sender_name=message.sender_name,
        sender_is_bot=message.sender_is_bot,
        text=message.text,
        sent_at_ms=message.sent_at_ms,
        mentions_us=message.mentions_us,
        quote_id=None,
        quote_sender_id=None,
        quote_text=None,
        about_message_id=None,
        # Zalo says that it is a picture, and not of which kind.
        attachments=[inbound.Attachment(url, None, "image/*", None) for url in photos],
    )


class _Statuses:
    def show(self, account: str, state: State, detail: str) -> None:
        status.set(account, status.State[state.upper()], detail)


class _Log:
    def emit(self, level: Level, message: str) -> None:
        log.emit(log.Level[level.upper()], message)


_PORTS = Ports(
    http=_Http(),
    polls=_Polls(),
    alarms=_Alarms(),
    store=_Store(),
    secrets=_Secrets(),
    files=_Files(),
    inbox=_Inbox(),
    statuses=_Statuses(),
    log=_Log(),
)
_PLUGIN = Plugin(_PORTS)


# ---- what the gateway asks of the plugin ----


def _said(function: Callable[..., _Value], *arguments: object) -> _Value:
    try:
        return function(*arguments)
    except PortError as error:
        raise Err(_wit_error(error)) from None


def _outgoing(outgoing: wit_channel.Outgoing) -> Outgoing:
    return Outgoing(
        account=outgoing.target.account,
        conversation_id=outgoing.target.conversation_id,
        text=outgoing.text,
        media=tuple(outgoing.media),
        idempotency_key=outgoing.idempotency_key,
        may_be_repeat=outgoing.may_be_repeat,
    )


def _outcome(outcome: Outcome) -> wit_channel.Outcome:
    if isinstance(outcome, Delivered):
        return wit_channel.Outcome_Delivered(outcome.message_id)
    arms = {
        "retry-after": wit_channel.Outcome_RetryAfter,
        "dead": wit_channel.Outcome_Dead,
        "unknown": wit_channel.Outcome_Unknown,
    }
    return arms[outcome.kind](_wit_error(outcome.error))


def _cannot(what: str) -> wit_channel.Outcome:
    return wit_channel.Outcome_Dead(
        types.Error("unsupported", f"Zalo's Bot API has nothing for {what}.", False, None)
    )


class Manifest(exports.Manifest):
    def describe(self) -> wit_manifest.Info:
        return wit_manifest.Info("zalo", VERSION)


class Channel(exports.Channel):
    def describe(self) -> wit_channel.About:
        return wit_channel.About(
            id="zalo",
            label="Zalo",
            aliases=["zl"],
            order=80,
            max_text=MAX_TEXT,
            unit=wit_channel.LengthUnit.UTF16,
            chat_types=[wit_channel.ChatType.DIRECT, wit_channel.ChatType.GROUP],
            features=wit_channel.Features.TYPING | wit_channel.Features.MEDIA,
        )

    def start(self, account: str, settings: str) -> None:
        _said(_PLUGIN.start, account, settings)

    def stop(self, account: str) -> None:
        try:
            _PLUGIN.stop(account)
        except PortError as error:
            log.emit(log.Level.WARN, f"{account} did not stop in order: {error.message}")

    def send_text(self, outgoing: wit_channel.Outgoing) -> wit_channel.Outcome:
        return _outcome(_PLUGIN.sending.text(_outgoing(outgoing)))

    def send_media(self, outgoing: wit_channel.Outgoing) -> wit_channel.Outcome:
        return _outcome(_PLUGIN.sending.photos(_outgoing(outgoing)))

    def send_poll(
        self,
        outgoing: wit_channel.Outgoing,  # noqa: ARG002 - the contract's
        poll: wit_channel.Poll,  # noqa: ARG002 - the contract's
    ) -> wit_channel.Outcome:
        return _cannot("polls")

    def edit(self, outgoing: wit_channel.Outgoing) -> wit_channel.Outcome:  # noqa: ARG002 - the contract's
        return _cannot("changing a message")

    def delete(self, outgoing: wit_channel.Outgoing) -> wit_channel.Outcome:  # noqa: ARG002 - the contract's
        return _cannot("taking a message back")

    def react(self, outgoing: wit_channel.Outgoing) -> wit_channel.Outcome:  # noqa: ARG002 - the contract's
        return _cannot("reactions")

    def look_up(self, outgoing: wit_channel.Outgoing) -> str | None:  # noqa: ARG002 - the contract's
        return None

    def typing(self, target: wit_channel.Target, is_on: bool) -> None:  # noqa: FBT001 - the contract's
        if not is_on:
            return  # it goes out by itself
        try:
            _PLUGIN.sending.typing(target.account, target.conversation_id)
        except PortError as error:
            log.emit(log.Level.DEBUG, f"typing was not shown: {error.message}")

    def resolve(self, account: str, text: str) -> str:  # noqa: ARG002 - ids are the same for all
        return _said(bots.resolve, text)

    def directory(self, account: str, query: str, limit: int) -> list[wit_channel.Person]:
        found = _said(_PLUGIN.directory, account, query, limit)
        kinds = wit_channel.ChatType
        return [
            wit_channel.Person(one.id, one.name, kinds.GROUP if one.is_group else kinds.DIRECT)
            for one in found
        ]

    def probe(self, account: str) -> str:
        return _said(_PLUGIN.probe, account)

    def login(self, account: str, answer: str) -> wit_channel.LoginStep:  # noqa: ARG002 - the contract's
        return wit_channel.LoginStep(
            "done", f"Zalo bots sign in with their token: set `botToken` of {account}.", ""
        )


class Webhook(exports.Webhook):
    def handle(self, request: wit_webhook.Request) -> wit_webhook.Response:
        body = request.body
        reply = _said(
            _PLUGIN.handle,
            Post(
                method=request.method.upper(),
                path=request.path,
                headers={one.name.lower(): one.value for one in request.headers},
                body=body.value if isinstance(body, types.Body_Text) else None,
            ),
        )
        headers = [types.Header(name, value) for name, value in reply.headers]
        return wit_webhook.Response(reply.status, headers, types.Body_Text(reply.text))


class Service(exports.Service):
    """Its events need no memory: what has to last travels with them."""

    def start(self) -> None:
        log.emit(log.Level.DEBUG, "it listens for answers and alarms")

    def stop(self) -> None:
        log.emit(log.Level.DEBUG, "it listens no more")

    def tick(self, now_ms: float) -> None:
        """Nothing is done by the second: polls and alarms are the gateway's."""

    def health(self) -> str | None:
        return None

    def on_timer(self, name: str, payload: str) -> None:
        _PLUGIN.on_timer(name, payload)

    def on_poll(self, name: str, answer: Result[http.Response, types.Error], payload: str) -> None:
        given = _answer(answer.value) if isinstance(answer, Ok) else _port_error(answer.value)
        _PLUGIN.on_poll(name, given, payload)

    def on_websocket(self, name: str, event: object) -> None:
        """Zalo has no WebSocket, and none is ever opened."""


class Setup(exports.Setup):
    def questions(self, account: str) -> list[wit_setup.Question]:  # noqa: ARG002 - the same for all
        return [
            wit_setup.Question(one.key, one.label, one.help, one.kind, [], one.required)
            for one in setup.questions()
        ]

    def settings(self, account: str, answers: str) -> str:
        return _said(setup.settings, account, answers)
