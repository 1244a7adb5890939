"""Messages of chats as `cara inbox` and `cara outbox` ask for them and show them."""

from __future__ import annotations

import time
from typing import Any

from carapace.cli.output import age, table

__all__ = ["message_table", "page_params"]


def page_params(*, state: str | None, channel: str | None, limit: int) -> dict[str, Any]:
    """What to ask for; nothing is narrowed by what is None."""
    params: dict[str, Any] = {"limit": limit}
    params |= {"state": state} if state else {}
    params |= {"channel": channel} if channel else {}
    return params


def message_table(rows: list[dict[str, Any]], *, chat: str, since: str) -> None:
    """Print a line for each message, or nothing if there is none.

    Args:
        rows: As the gateway lists them.
        chat: Head of the column that says where a message is from or goes.
        since: The field with the time from which its age counts, in milliseconds.
    """
    if not rows:
        return
    now_ms = time.time_ns() // 1_000_000
    head = ("id", chat, "state", "age", "tries", "trouble", "text")
    table(head, [_cells(row, age(int(row[since]), now_ms)) for row in rows])


def _cells(row: dict[str, Any], old: str) -> tuple[object, ...]:
    return (
        row["id"],
        f"{row['channel']}/{row['accountId']} {row['conversation']}"[:48],
        row["state"] + (" (may be a repeat)" if row.get("mayBeRepeat") else ""),
        old,
        row["attempts"],
        str(row.get("reason") or "")[:48],
        str(row.get("text") or "")[:40],
    )
