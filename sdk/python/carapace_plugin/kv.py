"""A small store of the plugin's own that outlives restarts and upgrades."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from carapace_plugin.host import call

__all__ = ["Entry", "compare_and_set", "delete", "get", "put", "scan"]

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """What is stored under a key; `revision` grows with each write of it."""

    key: str
    value: str
    revision: int


def get(key: str) -> Entry | None:
    """What is stored under `key`, if anything."""
    found = call("kv", "get", key)
    return None if found is None else Entry(**found)


def put(key: str, value: str, *, ttl_s: float | None = None) -> int:
    """Write whatever is there, for `ttl_s` seconds or for good; gives the new revision.

    Raises:
        HostError: If the store is full.
    """
    return int(call("kv", "put", key, value, _ms(ttl_s)))


def compare_and_set(
    key: str, expected: int | None, value: str, *, ttl_s: float | None = None
) -> int | None:
    """Write only if the revision is still `expected` (None: the key is not there).

    Returns:
        The new revision; None if somebody else was faster.
    """
    revision: int | None = call("kv", "compare-and-set", key, expected, value, _ms(ttl_s))
    return revision


def delete(key: str) -> bool:
    """Whether there was something to delete."""
    return bool(call("kv", "delete", key))


def scan(prefix: str = "") -> Iterator[Entry]:
    """All entries whose keys begin with `prefix`, in order of keys."""
    after: str | None = None
    while True:
        page: list[dict[str, Any]] = call("kv", "scan", prefix, after, _PAGE)
        for entry in page:
            yield Entry(**entry)
        if len(page) < _PAGE:
            return
        after = page[-1]["key"]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000.0
