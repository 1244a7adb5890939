"""`cara outbox`: what waits to be sent, what became of it, try again, drop."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter

from carapace.cli.connect import ask
from carapace.cli.messages import message_table, page_params
from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import as_json, report, show
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
    params = page_params(state=state, channel=channel, limit=limit)
    page = ask(remote, "outbox.list", params)
    if remote.json:
        as_json(page)
        return
    counts = ", ".join(f"{page[name]} {name}" for name in ("waiting", "sending", "unknown", "dead"))
    print(f"In the outbox: {counts}.")
    message_table(page.get("items", []), chat="to", since="createdAtMs")


@app.command(name="show")
def show_message(number: int, /, *, remote: Remote = DEFAULT_REMOTE) -> None:
    """Show one message with all attempts to send it.

    Parameters
    ----------
    number
        Its id, as in `cara outbox list`.
    """
    found = ask(remote, "outbox.get", {"id": number})
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
    done = ask(remote, "outbox.retry", {"id": number})
    report(done, f"Message {number} will be tried again.", is_json=remote.json)


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
    done = ask(remote, "outbox.drop", params)
    report(done, f"Message {number} was dropped.", is_json=remote.json)
