"""`cara inbox`: what came in from chats, and once more what was given up."""

from __future__ import annotations

import time
from typing import Any, Final, Literal

from carapace.cli.connect import connect
from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import age, as_json, table
from carapace.cli.shell import new_app

__all__ = ["app"]

app: Final = new_app("inbox", help="Messages from chats: list, replay.")

State = Literal["waiting", "working", "done", "dead"]


@app.default
@app.command(name="list")
def list_messages(
    *,
    state: State | None = None,
    channel: str | None = None,
    limit: int = 50,
    remote: Remote = DEFAULT_REMOTE,
) -> None:
    """List messages that came in, newest first.

    Parameters
    ----------
    state
        Only those in this state; `dead` are the ones that were given up.
    channel
        Only those of this channel.
    limit
        At most so many, up to 200.
    """
    params: dict[str, Any] = {"limit": limit}
    params |= {"state": state} if state else {}
    params |= {"channel": channel} if channel else {}
    with connect(remote) as gateway:
        page: dict[str, Any] = gateway.call("inbox.list", params)
    if remote.json:
        as_json(page)
        return
    print(f"In the inbox: {page['waiting']} waiting, {page['working']} being answered, ", end="")
    print(f"{page['dead']} given up.")
    rows: list[dict[str, Any]] = page.get("items", [])
    if rows:
        now_ms = time.time_ns() // 1_000_000
        table(("id", "from", "state", "age", "tries", "trouble", "text"), _cells(rows, now_ms))


@app.command
def replay(number: int, /, *, remote: Remote = DEFAULT_REMOTE) -> None:
    """Work once more on a message that was given up.

    Parameters
    ----------
    number
        Its id, as in `cara inbox list --state dead`.
    """
    with connect(remote) as gateway:
        done: dict[str, Any] = gateway.call("inbox.replay", {"id": number})
    if remote.json:
        as_json(done)
    else:
        print(f"Message {number} is being worked on again.")


def _cells(rows: list[dict[str, Any]], now_ms: int) -> list[tuple[object, ...]]:
    return [
        (
            row["id"],
            f"{row['channel']}/{row['accountId']} {row['conversation']}"[:48],
            row["state"],
            age(int(row["receivedAtMs"]), now_ms),
            row["attempts"],
            str(row.get("reason") or "")[:48],
            str(row.get("text") or "")[:40],
        )
        for row in rows
    ]
