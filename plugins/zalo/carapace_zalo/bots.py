"""The account at Zalo's side: who our bot is, and how people name a chat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

from carapace_zalo.accounts import Account
from carapace_zalo.ports import PortError, Ports
from carapace_zalo.wire import Failure, as_error, call, clean, request

__all__ = ["introduce", "probe", "resolve"]

_PROBE_TIMEOUT_MS: Final = 5_000
_START_TIMEOUT_MS: Final = 2_500
_MAX_TARGET: Final = 128
_PREFIXES: Final = ("zalo:", "zl:")
_GROUP: Final = "group:"


def introduce(ports: Ports, account: Account) -> Account:
    """The account with its bot's id and name, if Zalo can be asked just now.

    Raises:
        PortError: If Zalo does not accept the token.
    """
    try:
        said = call(ports, request(account, "getMe", {}, timeout_ms=_START_TIMEOUT_MS))
    except PortError as error:
        ports.log.emit("warn", f"who the bot of {account.name} is, is not known: {error.message}")
        return account
    if isinstance(said, Failure):
        if said.is_understood and said.code in {401, 403, 404}:
            raise PortError("refused", said.message)
        ports.log.emit("warn", f"who the bot of {account.name} is, is not known: {said.message}")
        return account
    me = _me(said.result)
    return replace(account, bot_id=me["id"] or None, bot_name=me["name"] or None)


def probe(ports: Ports, account: Account) -> str:
    """Who the bot is, as JSON `{id, name, type, canJoinGroups}`.

    Raises:
        PortError: If Zalo does not say.
    """
    said = call(ports, request(account, "getMe", {}, timeout_ms=_PROBE_TIMEOUT_MS))
    if isinstance(said, Failure):
        raise as_error(said)
    me = _me(said.result)
    value = _mapping(said.result)
    return json.dumps(
        {
            "id": me["id"],
            "name": me["name"],
            "type": clean(value.get("account_type")),
            "canJoinGroups": value.get("can_join_groups") is True,
        },
        ensure_ascii=False,
    )


def resolve(text: str) -> str:
    """The id of a chat as people write it: with or without `zalo:`, `zl:` and `group:`.

    Raises:
        PortError: If there is no id in it.
    """
    found = text.strip()
    for prefix in _PREFIXES:
        if found.lower().startswith(prefix):
            found = found[len(prefix) :]
            break
    if found.lower().startswith(_GROUP):
        found = found[len(_GROUP) :]
    is_token = found.isprintable() and not any(char.isspace() for char in found)
    if not found or not is_token or len(found) > _MAX_TARGET:
        raise PortError(
            "bad-target", "That is no id of a Zalo chat. Write it as `zalo:<id>`, without spaces."
        )
    return found


def _me(result: object) -> dict[str, str]:
    """Id and name; the name has been called both ways."""
    value = _mapping(result)
    number = value.get("id")
    return {
        "id": clean(str(number)) if isinstance(number, str | int) else "",
        "name": clean(value.get("account_name")) or clean(value.get("name")),
    }


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
