"""Our bots: what the configuration says about each, kept where every call finds it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import urlsplit

from carapace_zalo.ports import PortError, Secrets, Store

__all__ = [
    "API_URL",
    "TOKEN",
    "WEBHOOK_SECRET",
    "Account",
    "Accounts",
    "local_path",
    "parse_settings",
    "parse_webhook_url",
    "secret_name",
]

API_URL: Final = "https://bot-api.zaloplatforms.com"
TOKEN: Final = "botToken"  # noqa: S105 - the name of a setting
WEBHOOK_SECRET: Final = "webhookSecret"  # noqa: S105 - the name of a setting
DEFAULT_ACCOUNT: Final = "default"
_ROUTE: Final = "/plugins/zalo"
_KEPT: Final = "account/"
_PATH: Final = re.compile(r"/[A-Za-z0-9._~/-]{0,255}")

_OURS: Final = frozenset({TOKEN, WEBHOOK_SECRET, "webhookUrl", "webhookPath", "apiUrl"})
_THE_GATEWAYS: Final = frozenset(
    {
        "accounts",
        "allowBots",
        "allowFrom",
        "chunkMode",
        "defaultAccount",
        "dmPolicy",
        "enabled",
        "groupAllowFrom",
        "groupPolicy",
        "groups",
        "historyLimit",
        "markdown",
        "mediaMaxMb",
        "name",
        "proxy",
        "requireMention",
        "responsePrefix",
        "streaming",
        "textChunkLimit",
    }
)
"""Settings that every channel has; the gateway acts on them."""
_ELSEWHERE: Final = {
    "tokenFile": "A plugin reads no files. Keep the token in the gateway's vault or in a "
    'variable: `botToken: "${ZALO_BOT_TOKEN}"`.',
}
"""Settings of the Node plugin that have another place here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One bot.

    Attributes:
        name: In the configuration.
        token_name: Under which the gateway knows its token.
        secret_name: Under which the gateway knows the secret of its webhook, if it has one.
        api_url: Where the Bot API is, without a slash at its end.
        webhook_url: The public address that Zalo posts to; None to ask for updates instead.
        webhook_path: Where those posts arrive, below the plugin's route.
        people: Ids that the configuration lets in, for the directory.
        groups: Groups that it names, likewise.
        bot_id: As Zalo says, once it was asked.
        bot_name: Likewise; by it people mention the bot.
    """

    name: str
    token_name: str
    secret_name: str | None = None
    api_url: str = API_URL
    webhook_url: str | None = None
    webhook_path: str = "/"
    people: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    bot_id: str | None = None
    bot_name: str | None = None

    @property
    def transport(self) -> Literal["polling", "webhook"]:
        """How messages come; Zalo has only one of the two at a time."""
        return "polling" if self.webhook_url is None else "webhook"


class Accounts:
    """The accounts that run, in the store: any call may be the first of a fresh instance."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, name: str) -> Account:
        """The account of that name.

        Raises:
            PortError: If it does not run.
        """
        text = self._store.get(_KEPT + name)
        if text is None:
            raise PortError("no-account", f"The Zalo account {name} does not run.", retryable=True)
        return _read(text)

    def find(self, name: str) -> Account | None:
        """The account of that name, if it runs."""
        text = self._store.get(_KEPT + name)
        return None if text is None else _read(text)

    def all(self) -> list[Account]:
        """Those that run, by name."""
        return [_read(text) for _, text in self._store.scan(_KEPT)]

    def keep(self, account: Account) -> None:
        """It runs now."""
        self._store.put(_KEPT + account.name, _write(account))

    def drop(self, name: str) -> None:
        """It does not run any more."""
        self._store.delete(_KEPT + name)


def parse_settings(name: str, text: str, secrets: Secrets) -> Account:
    """The account that a part of the configuration describes.

    Args:
        name: Of the account.
        text: Its settings as JSON.
        secrets: Tells which secrets there are.

    Raises:
        PortError: If it is not enough to run; says what to set.
    """
    settings = _object(name, text)
    _refuse_unknown(name, settings)
    known = secrets.names()
    token_name = secret_name(name, TOKEN, known)
    if token_name is None:
        raise _wrong(name, "has no `botToken`. Make a bot at Zalo and set its token.")
    webhook_url = _text(name, settings, "webhookUrl")
    webhook_secret = secret_name(name, WEBHOOK_SECRET, known)
    if webhook_url is not None:
        parse_webhook_url(name, webhook_url)
        if webhook_secret is None:
            raise _wrong(
                name, "has a `webhookUrl` and no `webhookSecret`. Set 8 to 256 characters."
            )
    return Account(
        name=name,
        token_name=token_name,
        secret_name=webhook_secret,
        api_url=_api_url(name, _text(name, settings, "apiUrl")),
        webhook_url=webhook_url,
        webhook_path=_webhook_path(name, _text(name, settings, "webhookPath"), webhook_url),
        people=_ids(settings.get("allowFrom")) + _ids(settings.get("groupAllowFrom")),
        groups=_ids(settings.get("groups")),
    )


def secret_name(account: str, name: str, known: Sequence[str]) -> str | None:
    """Under which name the gateway knows an account's secret.

    Of the default account it may stand at the channel itself; no other account takes it over,
    or two of them would be one bot.
    """
    own = f"{account}/{name}"
    if own in known:
        return own
    return name if account == DEFAULT_ACCOUNT and name in known else None


def parse_webhook_url(name: str, url: str) -> None:
    """Check that Zalo could post there.

    Raises:
        PortError: If it could not.
    """
    if _host_of(url, "https") is None and _own_machine(url) is None:
        raise _wrong(name, "has a `webhookUrl` that is no https address. Zalo posts to no other.")


def local_path(path: str) -> str:
    """A path as the plugin sees it: below its route, without a slash at its end."""
    below = path.removeprefix(_ROUTE) if path == _ROUTE or path.startswith(_ROUTE + "/") else path
    return below.rstrip("/") or "/"


def _object(name: str, text: str) -> dict[str, object]:
    try:
        value: object = json.loads(text or "{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _wrong(name, "has settings that are no object.")
    return cast("dict[str, object]", value)


def _refuse_unknown(name: str, settings: Mapping[str, object]) -> None:
    for key in sorted(settings):
        if key in _ELSEWHERE:
            raise _wrong(name, f"has a `{key}`. {_ELSEWHERE[key]}")
        if key not in _OURS and key not in _THE_GATEWAYS:
            raise _wrong(name, f"has a `{key}`, which nobody reads. Correct it or take it out.")


def _text(name: str, settings: Mapping[str, object], key: str) -> str | None:
    value = settings.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise _wrong(name, f"has a `{key}` that is no text.")
    return value.strip()


def _api_url(name: str, url: str | None) -> str:
    if url is None:
        return API_URL
    if (_host_of(url, "https") or _own_machine(url)) is None or "?" in url or "#" in url:
        raise _wrong(name, "has an `apiUrl` that is no https address without query.")
    return url.rstrip("/")


def _host_of(url: str, scheme: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme != scheme or "@" in parts.netloc:
        return None
    return parts.hostname


def _own_machine(url: str) -> str | None:
    """Plain http is only good where nobody can listen."""
    host = _host_of(url, "http")
    return host if host in {"127.0.0.1", "localhost", "::1"} else None


def _webhook_path(name: str, path: str | None, url: str | None) -> str:
    chosen = path if path is not None else urlsplit(url or "").path or "/"
    if url is not None and path is None and chosen.endswith("/"):
        # The gateway serves no address that ends so; Zalo would post into the void.
        raise _wrong(
            name,
            "has a `webhookUrl` that ends in a slash. Write it without, as in "
            "https://chat.example.com/plugins/zalo/webhook.",
        )
    if not _PATH.fullmatch(chosen) or ".." in chosen:
        raise _wrong(
            name, "has a webhook path with other characters than letters, digits and -._~/."
        )
    return local_path(chosen)


def _ids(value: object) -> tuple[str, ...]:
    """Ids of a list, or the keys of an object, without `*` and without Zalo's prefixes."""
    if not isinstance(value, list | dict):
        return ()
    found = [str(one) for one in cast("list[object]", value) if isinstance(one, str | int)]
    return tuple(dict.fromkeys(one for one in found if one and one != "*"))


def _wrong(name: str, what: str) -> PortError:
    return PortError("bad-settings", f"The Zalo account {name} {what}")


def _write(account: Account) -> str:
    value = {field: getattr(account, field) for field in Account.__slots__}
    return json.dumps(value, ensure_ascii=False)


def _read(text: str) -> Account:
    value = cast("dict[str, object]", json.loads(text))
    for field in ("people", "groups"):
        value[field] = tuple(cast("list[str]", value[field]))
    return Account(**value)  # type: ignore[arg-type] - what `_write` wrote
