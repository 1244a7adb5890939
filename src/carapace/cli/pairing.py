"""`cara pairing`: strangers who ask to be let in on a chat."""

from __future__ import annotations

import time
from typing import Any, Final

from carapace.cli.connect import ask
from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import age, as_json, report, show, table
from carapace.cli.shell import new_app
from carapace.cli.trouble import Trouble

__all__ = ["app"]

app: Final = new_app("pairing", help="Who may write on a chat: list, approve.")
_NEXT: Final = "See who asks: cara pairing list"


@app.default
@app.command(name="list")
def list_people(*, channel: str | None = None, remote: Remote = DEFAULT_REMOTE) -> None:
    """List who asks to be let in, and who was.

    Parameters
    ----------
    channel
        Only on this channel.
    """
    params: dict[str, Any] = {"channel": channel} if channel else {}
    page = ask(remote, "channels.pairing.list", params)
    if remote.json:
        as_json(page)
        return
    now_ms = time.time_ns() // 1_000_000
    pending: list[dict[str, Any]] = page.get("pending", [])
    if not pending:
        print("Nobody asks to be let in.")
    else:
        table(
            ("channel", "account", "sender", "calls themselves", "asked"),
            [
                (
                    row["channel"],
                    row["accountId"],
                    row["senderId"],
                    row.get("displayName") or "",
                    f"{age(int(row['requestedAtMs']), now_ms)} ago",
                )
                for row in pending
            ],
        )
        print("Each was told a code. Let one in: cara pairing approve CHANNEL CODE")
    allowed: list[dict[str, Any]] = page.get("allowed", [])
    for row in allowed:
        since = age(int(row["approvedAtMs"]), now_ms)
        show(f"Let in: {row['senderId']} on {row['channel']}/{row['accountId']}, {since} ago")


@app.command
def approve(
    channel: str, code: str, /, *, account: str | None = None, remote: Remote = DEFAULT_REMOTE
) -> None:
    """Let somebody in who told you their code.

    Parameters
    ----------
    channel
        Where they write, e.g. `webhook`.
    code
        What they were told.
    account
        Which of your accounts there, if there are several.
    """
    done = ask(remote, "channels.pairing.approve", _params(channel, account, code=code))
    report(
        done,
        f"{done['senderId']} may now write to the assistant on {done['channel']}.",
        is_json=remote.json,
    )


@app.command
def reject(
    channel: str, code: str, /, *, account: str | None = None, remote: Remote = DEFAULT_REMOTE
) -> None:
    """Forget a request; the code is worthless from now on.

    Parameters
    ----------
    channel
        Where they write.
    code
        What they were told.
    account
        Which of your accounts there, if there are several.
    """
    done = ask(remote, "channels.pairing.reject", _params(channel, account, code=code))
    report(done, "That request is forgotten.", is_json=remote.json)


@app.command
def revoke(
    channel: str, sender: str, /, *, account: str | None = None, remote: Remote = DEFAULT_REMOTE
) -> None:
    """Let somebody in no longer.

    Parameters
    ----------
    channel
        Where they write.
    sender
        Their id, as in `cara pairing list`.
    account
        Which of your accounts there, if there are several.
    """
    done = ask(remote, "channels.pairing.revoke", _params(channel, account, senderId=sender))
    if remote.json:
        as_json(done)
    elif not done.get("ok"):
        raise Trouble(f"{sender} was not let in by a code.", next_step=_NEXT)
    else:
        show(f"{sender} is a stranger again.")


def _params(channel: str, account: str | None, **fields: str) -> dict[str, Any]:
    found: dict[str, Any] = {"channel": channel, **fields}
    return found | ({"accountId": account} if account else {})
