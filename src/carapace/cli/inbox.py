"""`cara inbox`: what came in from chats, and once more what was given up."""

from __future__ import annotations

from typing import Final, Literal

from carapace.cli.connect import ask
from carapace.cli.messages import message_table, page_params
from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import as_json, report
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
    params = page_params(state=state, channel=channel, limit=limit)
    page = ask(remote, "inbox.list", params)
    if remote.json:
        as_json(page)
        return
    print(f"In the inbox: {page['waiting']} waiting, {page['working']} being answered, ", end="")
    print(f"{page['dead']} given up.")
    message_table(page.get("items", []), chat="from", since="receivedAtMs")


@app.command
def replay(number: int, /, *, remote: Remote = DEFAULT_REMOTE) -> None:
    """Work once more on a message that was given up.

    Parameters
    ----------
    number
        Its id, as in `cara inbox list --state dead`.
    """
    done = ask(remote, "inbox.replay", {"id": number})
    report(done, f"Message {number} is being worked on again.", is_json=remote.json)
