"""The gateway as the Zalo plugin sees it, in memory, with real HTTP behind it.

Each call meets a fresh instance, as it does in the gateway. What the gateway does by itself
(asking again, ringing) is done by the test: `poll` and `ring`.
"""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

_GUEST = Path(__file__).resolve().parents[2] / "plugins" / "zalo"
if str(_GUEST) not in sys.path:
    sys.path.insert(0, str(_GUEST))

# The guest's own modules, as they are, without WebAssembly.
from carapace_zalo.plugin import Plugin  # noqa: E402 - it has to be found first
from carapace_zalo.ports import (  # noqa: E402 - as above
    Answer,
    Level,
    Message,
    PortError,
    Ports,
    Request,
    State,
)

__all__ = ["Alarm", "ZaloHouse"]

WEBHOOK_SECRET = "zalo-webhook-secret-0123456789"


@dataclass(frozen=True)
class Alarm:
    """What will ring."""

    after_ms: int
    payload: str


@dataclass
class ZaloHouse:
    """All ports in one; the attributes are what a test looks at."""

    url: str
    token: str
    webhook_secret: str = WEBHOOK_SECRET
    store: dict[str, str] = field(default_factory=dict)
    polls: dict[str, tuple[Request, str]] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    inbox: list[Message] = field(default_factory=list)
    inbox_error: PortError | None = None
    statuses: list[tuple[str, State, str]] = field(default_factory=list)
    lines: list[tuple[Level, str]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    links: list[tuple[str, int]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    accounts: tuple[str, ...] = ("default",)

    @property
    def plugin(self) -> Plugin:
        """A fresh instance."""
        return Plugin(self.ports)

    @property
    def ports(self) -> Ports:
        return Ports(
            http=self,
            polls=_Polls(self),
            alarms=_Alarms(self),
            store=_Store(self),
            secrets=_Secrets(self),
            files=_Files(self),
            inbox=self,
            statuses=self,
            log=self,
        )

    def start(self, account: str = "default", **settings: Any) -> None:
        """Start an account of the server's bot."""
        given = {"botToken": f"{account}/botToken", "apiUrl": self.url, **settings}
        self.plugin.start(account, json.dumps(given))

    def poll(self, account: str = "default") -> None:
        """Do the held request once and hand its answer in, as the gateway does."""
        name = f"updates/{account}"
        request, payload = self.polls[name]
        try:
            answer: Answer | PortError = self.fetch(request)
        except PortError as error:
            answer = error
        self.plugin.on_poll(name, answer, payload)

    def hand_in(self, answer: Answer | PortError, account: str = "default") -> None:
        """An answer to the held request, made up."""
        name = f"updates/{account}"
        self.plugin.on_poll(name, answer, self.polls[name][1])

    def ring(self, account: str = "default") -> None:
        """The alarm rings now."""
        name = f"resume/{account}"
        alarm = self.alarms.pop(name)
        self.plugin.on_timer(name, alarm.payload)

    @property
    def said(self) -> str:
        """Everything that people or logs can see."""
        return repr([self.statuses, self.lines, self.store, self.polls, self.alarms])

    def secret(self, name: str) -> str:
        """The value behind a handle."""
        account, _, key = name.rpartition("/")
        if account not in (*self.accounts, ""):
            raise PortError("not-configured", f"there is no secret {name}")
        return {"botToken": self.token, "webhookSecret": self.webhook_secret}[key]

    # ---- ports that have one function ----

    def fetch(self, request: Request) -> Answer:
        """With the secrets in their places, as the gateway puts them there."""
        self.requests.append(request)
        url, body = request.url, json.loads(request.body)
        for secret in request.secrets:
            value = self.secret(secret.name)
            if secret.place == "path":
                assert url.count(secret.where) == 1
                url = url.replace(secret.where, quote(value, safe=":"))
            else:
                body[secret.where.removeprefix("/")] = value
        return self._post(url, body, request.timeout_ms / 1_000)

    def _post(self, url: str, body: Any, timeout_s: float) -> Answer:
        parts = urlsplit(url)
        line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
        try:
            try:
                line.connect()
            except OSError as error:
                raise PortError("unreachable", "it is not there", retryable=True) from error
            try:
                data = json.dumps(body, ensure_ascii=False).encode()
                line.request("POST", parts.path, data, {"Content-Type": "application/json"})
                response = line.getresponse()
                text = response.read().decode(errors="replace")
            except TimeoutError as error:
                raise PortError("timeout", "it did not answer in time", retryable=True) from error
            except (OSError, http.client.HTTPException) as error:
                raise PortError("unreachable", "it broke off", retryable=True) from error
        finally:
            line.close()
        return Answer(
            status=response.status,
            text=text.replace(self.token, "***"),
            retry_after=response.headers.get("Retry-After"),
        )

    def deliver(self, message: Message) -> str:
        if self.inbox_error is not None:
            raise self.inbox_error
        known = {(one.account, one.message_id) for one in self.inbox}
        if (message.account, message.message_id) in known:
            return "duplicate"
        self.inbox.append(message)
        return "accepted"

    def show(self, account: str, state: State, detail: str) -> None:
        self.statuses.append((account, state, detail))

    def emit(self, level: Level, message: str) -> None:
        self.lines.append((level, message))


class _Polls:
    def __init__(self, house: ZaloHouse) -> None:
        self._house = house

    def start(self, name: str, request: Request, payload: str) -> None:
        self._house.polls[name] = (request, payload)

    def stop(self, name: str) -> None:
        self._house.polls.pop(name, None)


class _Alarms:
    def __init__(self, house: ZaloHouse) -> None:
        self._house = house

    def set(self, name: str, after_ms: int, payload: str) -> None:
        self._house.alarms[name] = Alarm(after_ms, payload)

    def cancel(self, name: str) -> None:
        self._house.alarms.pop(name, None)


class _Store:
    def __init__(self, house: ZaloHouse) -> None:
        self._house = house

    def get(self, key: str) -> str | None:
        return self._house.store.get(key)

    def put(self, key: str, value: str, ttl_ms: int | None = None) -> None:
        self._house.store[key] = value

    def delete(self, key: str) -> None:
        self._house.store.pop(key, None)

    def scan(self, prefix: str) -> Sequence[tuple[str, str]]:
        return sorted((k, v) for k, v in self._house.store.items() if k.startswith(prefix))


class _Secrets:
    def __init__(self, house: ZaloHouse) -> None:
        self._house = house

    def names(self) -> Sequence[str]:
        names = ["botToken"] if self._house.token else []
        names += ["webhookSecret"] if self._house.webhook_secret else []
        return [f"{account}/{name}" for account in self._house.accounts for name in names]

    def verify(self, name: str, presented: str) -> bool:
        return presented == self._house.secret(name)


class _Files:
    def __init__(self, house: ZaloHouse) -> None:
        self._house = house

    def content_type(self, handle: str) -> str:
        try:
            return self._house.files[handle]
        except KeyError:
            raise PortError("not-found", f"there is no file {handle}") from None

    def link(self, handle: str, ttl_ms: int) -> str:
        self._house.links.append((handle, ttl_ms))
        return f"https://gateway.example/media/{handle}-{len(self._house.links)}"
