"""`cara outbox`: what waits to be sent, what became of it, try again, drop."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter

from carapace.cli.connect import connect
from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import age, as_json, show, table
from carapace.cli.shell import new_app
from carapace.cli.trouble import USAGE, Trouble

__all__ = ["app"]

app: Final = new_app("outbox", help="Messages on their way out: list, retry, drop.")

State = Literal["waiting", "sending", "unknown", "delivered", "dead"]


@app.default
@app.command(name="list")
def list_messages(
    *,
    state: State | None = None,
    channel: str | None = None,
    limit: int = 50,
    remote: Remote = DEFAULT_REMOTE,
) -> None:
    """List messages on their way out, newest first.

    Parameters
    ----------
    state
        Only those in this state.
    channel
        Only those of this channel.
    limit
        At most so many, up to 200.
    """
    params: dict[str, Any] = {"limit": limit}
    params |= {"state": state} if state else {}
    params |= {"channel": channel} if channel else {}
    with connect(remote) as gateway:
        page: dict[str, Any] = gateway.call("outbox.list", params)
    if remote.json:
        as_json(page)
        return
    counts = ", ".join(f"{page[name]} {name}" for name in ("waiting", "sending", "unknown", "dead"))
    print(f"In the outbox: {counts}.")
    rows: list[dict[str, Any]] = page.get("items", [])
    if rows:
        now_ms = time.time_ns() // 1_000_000
        table(("id", "to", "state", "age", "tries", "trouble", "text"), _cells(rows, now_ms))


@app.command(name="show")
def show_message(number: int, /, *, remote: Remote = DEFAULT_REMOTE) -> None:
    """Show one message with all attempts to send it.

    Parameters
    ----------
    number
        Its id, as in `cara outbox list`.
    """
    with connect(remote) as gateway:
        found: dict[str, Any] = gateway.call("outbox.get", {"id": number})
    if remote.json:
        as_json(found)
        return
    item: dict[str, Any] = found["item"]
    for name in sorted(item):
        show(f"{name}: {item[name]}")
    attempts: list[dict[str, Any]] = found.get("attempts", [])
    for attempt in attempts:
        took_ms = attempt["endedAtMs"] - attempt["startedAtMs"]
        reason = f": {attempt['reason']}" if attempt.get("reason") else ""
        show(f"attempt {attempt['attempt']}: {attempt['outcome']} after {took_ms} ms{reason}")


@app.command
def retry(number: int, /, *, remote: Remote = DEFAULT_REMOTE) -> None:
    """Try a message again now, one that was given up included.

    Parameters
    ----------
    number
        Its id, as in `cara outbox list`.
    """
    with connect(remote) as gateway:
        done: dict[str, Any] = gateway.call("outbox.retry", {"id": number})
    if remote.json:
        as_json(done)
    else:
        print(f"Message {number} will be tried again.")


@app.command
def drop(
    number: int,
    /,
    *,
    reason: str | None = None,
    yes: Annotated[bool, Parameter(alias="-y", negative="")] = False,
    remote: Remote = DEFAULT_REMOTE,
) -> None:
    """Give a message up; it is never sent.

    Parameters
    ----------
    number
        Its id, as in `cara outbox list`.
    reason
        Kept with the message.
    yes
        Needed, since it cannot be undone for the one who waits for it.
    """
    if not yes:
        raise Trouble("Nothing was dropped.", next_step="Confirm with --yes", exit_code=USAGE)
    params: dict[str, Any] = {"id": number} | ({"reason": reason} if reason else {})
    with connect(remote) as gateway:
        done: dict[str, Any] = gateway.call("outbox.drop", params)
    if remote.json:
        as_json(done)
    else:
        print(f"Message {number} was dropped.")


def _cells(rows: list[dict[str, Any]], now_ms: int) -> list[tuple[object, ...]]:
    return [
        (
            row["id"],
            f"{row['channel']}/{row['accountId']} {row['conversation']}"[:48],
            row["state"] + (" (may be a repeat)" if row.get("mayBeRepeat") else ""),
            age(int(row["createdAtMs"]), now_ms),
            row["attempts"],
            str(row.get("reason") or "")[:48],
            str(row.get("text") or "")[:40],
        )
        for row in rows
    ]
