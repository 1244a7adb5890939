"""Whom a bot knows: those that the configuration names, and those who wrote to it and were let in.

Zalo tells bots of nobody else, so this is the directory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, cast

from carapace_zalo.accounts import Account
from carapace_zalo.ports import Message, PortError, Ports, Store

__all__ = ["Person", "find", "remember"]

_KEPT: Final = "met/"
_KEPT_MS: Final = 180 * 24 * 3_600_000
_LET_IN: Final = frozenset({"accepted", "buffered", "handled"})
"""Statuses of messages whose sender may write; strangers are not written down."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person or a group.

    Attributes:
        id: Of the chat.
        name: For people; groups have none.
        is_group: Which of the two.
    """

    id: str
    name: str | None
    is_group: bool


def remember(ports: Ports, message: Message, status: str) -> None:
    """Write down where a message came from, if its sender was let in and it is news.

    The message has been taken before; a store that is full must not make it look otherwise.
    """
    if status not in _LET_IN:
        return
    try:
        _write(ports.store, message)
    except PortError as error:
        ports.log.emit("warn", f"who wrote to {message.account} is not kept: {error.message}")


def find(store: Store, account: Account, query: str, limit: int) -> list[Person]:
    """Those whose id or name holds `query`, at most `limit`."""
    prefix = f"{_KEPT}{account.name}/"
    met = [_read(key.removeprefix(prefix), text) for key, text in store.scan(prefix)]
    known = {one.id: one for one in met}
    for person in account.people:
        known.setdefault(person, Person(person, None, is_group=False))
    for group in account.groups:
        known.setdefault(group, Person(group, None, is_group=True))
    wanted = query.strip().casefold()
    found = [one for one in known.values() if _holds(one, wanted)]
    return found[: max(limit, 0)]


def _write(store: Store, message: Message) -> None:
    key = f"{_KEPT}{message.account}/{message.conversation_id}"
    name = None if message.is_group else message.sender_name
    value = json.dumps({"name": name, "group": message.is_group}, ensure_ascii=False)
    if store.get(key) != value:
        store.put(key, value, _KEPT_MS)


def _holds(person: Person, wanted: str) -> bool:
    return wanted in person.id.casefold() or wanted in (person.name or "").casefold()


def _read(chat: str, text: str) -> Person:
    value = cast("dict[str, object]", json.loads(text))
    return Person(chat, cast("str | None", value["name"]), is_group=value["group"] is True)
