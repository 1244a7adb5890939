"""`cara sessions`: list, show, delete."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any, Final

from cyclopts import Parameter

from carapace.cli.connect import ask
from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import age, as_json, show, table
from carapace.cli.shell import new_app
from carapace.cli.trouble import USAGE, Trouble

__all__ = ["app"]

app: Final = new_app("sessions", help="List, show and delete conversations.")


@app.default
@app.command(name="list")
def list_sessions(
    *, limit: int = 50, search: str | None = None, remote: Remote = DEFAULT_REMOTE
) -> None:
    """List conversations, most recently active first.

    Parameters
    ----------
    limit
        At most so many.
    search
        Only those whose key or label contains this.
    """
    params: dict[str, Any] = {"limit": limit, "includeDerivedTitles": True}
    if search:
        params["search"] = search
    page = ask(remote, "sessions.list", params)
    if remote.json:
        as_json(page)
        return
    rows: list[dict[str, Any]] = page.get("sessions", [])
    if not rows:
        print("No conversations yet. Begin one: cara chat")
        return
    now_ms = time.time_ns() // 1_000_000
    table(
        ("key", "last active", "tokens", "title"),
        [
            (
                row.get("key"),
                f"{age(int(row.get('updatedAt') or 0), now_ms)} ago",
                row.get("totalTokens", 0),
                str(row.get("label") or row.get("derivedTitle") or row.get("displayName") or "")[
                    :60
                ],
            )
            for row in rows
        ],
    )


@app.command(name="show")
def show_messages(key: str, /, *, limit: int = 200, remote: Remote = DEFAULT_REMOTE) -> None:
    """Print the messages of one conversation, oldest first.

    Parameters
    ----------
    key
        Its key, as in `cara sessions list`.
    limit
        The newest so many.
    """
    page = ask(remote, "chat.history", {"sessionKey": key, "limit": limit})
    if remote.json:
        as_json(page)
        return
    messages: list[dict[str, Any]] = page.get("messages", [])
    if not messages:
        raise Trouble(f"There is no message in {key}.", next_step="See: cara sessions list")
    for message in messages:
        if text := text_of(message):
            show(f"{message.get('role', '?')}:\n{text}\n")


@app.command
def delete(
    key: str,
    /,
    *,
    keep_transcript: bool = False,
    yes: Annotated[bool, Parameter(alias="-y", negative="")] = False,
    remote: Remote = DEFAULT_REMOTE,
) -> None:
    """Delete one conversation.

    Parameters
    ----------
    key
        Its key, as in `cara sessions list`.
    keep_transcript
        Leave the messages where they are, and only forget the session.
    yes
        Do not ask.
    """
    if not yes and not _agrees(key):
        raise Trouble("Nothing was deleted.", next_step="Confirm with --yes", exit_code=USAGE)
    params = {"key": key, "deleteTranscript": not keep_transcript}
    done = ask(remote, "sessions.delete", params)
    if remote.json:
        as_json(done)
    elif done.get("deleted"):
        print(f"Deleted {key}.")
    else:
        raise Trouble(f"There is no conversation {key}.", next_step="See: cara sessions list")


def text_of(message: dict[str, Any]) -> str:
    """The text parts of a transcript message."""
    content: Any = message.get("content")
    if isinstance(content, str):
        return content
    parts: list[dict[str, Any]] = content or []
    return "\n".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")


def _agrees(key: str) -> bool:
    if not sys.stdin.isatty():
        return False
    return input(f"Delete the conversation {key}? [y/N] ").strip().lower() in {"y", "yes"}
