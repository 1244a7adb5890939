"""`cara plugin` for operators: what is installed, and how it comes and goes."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from carapace.cli.connect import connect
from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import as_json, show, table
from carapace.cli.plugin_author import add_author_commands
from carapace.cli.plugin_setup import add_setup_commands
from carapace.cli.plugin_trust import trust, verify
from carapace.cli.shell import new_app
from carapace.cli.trouble import USAGE, Trouble

__all__ = ["app"]

app: Final = new_app("plugin", help="Plugins: install, list; write your own.")
app.command(trust)
app.command(verify)
add_setup_commands(app)
add_author_commands(app)

Yes = Annotated[bool, Parameter(alias="-y", negative="")]
No = Annotated[bool, Parameter(negative="")]

_DEADLINE_S: Final = 600.0
"""A package may have to be fetched and compiled first."""
_SHOWN_CHARS: Final = 16
"""Of a publisher in the table: enough to tell one's own apart; `--json` has all of it."""


@app.default
@app.command(name="list")
def list_plugins(*, remote: Remote = DEFAULT_REMOTE) -> None:
    """List plugins: how each is and why, and what waits for your word."""
    with connect(remote) as gateway:
        page: dict[str, Any] = gateway.call("plugins.list")
    if remote.json:
        as_json(page)
        return
    if page.get("trouble"):
        raise Trouble("The plugins cannot be listed.", why=page["trouble"])
    rows: list[dict[str, Any]] = page.get("plugins", [])
    if not rows:
        print("No plugin is installed. Install one: cara plugin install FILE")
        return
    table(
        ("id", "version", "state", "from", "roles", "why"),
        [
            (
                row["id"],
                row["version"],
                row["state"],
                _publisher(row)[:_SHOWN_CHARS],
                " ".join(row["roles"]),
                row.get("reason") or "",
            )
            for row in rows
        ],
    )
    for row in rows:
        if row.get("pending"):
            waiting = f"{row['id']} {row['pending']['version']}"
            show(f"{waiting} waits for your word: cara plugin consent {row['id']}")


@app.command
def install(source: str, /, *, yes: Yes = False, remote: Remote = DEFAULT_REMOTE) -> None:
    """Install a plugin, after showing what it may do.

    Parameters
    ----------
    source
        A package or its folder on the gateway's machine, an https address, or a name of the
        registry, as in `zalo` or `zalo@1.0.0`. A folder beside you is `./zalo`.
    yes
        Agree to whatever it asks for.
    """
    _take("plugins.install", {"source": _source(source), "accept": yes}, remote)


@app.command
def upgrade(
    plugin: str, source: str | None = None, /, *, yes: Yes = False, remote: Remote = DEFAULT_REMOTE
) -> None:
    """Use a newer version; if it asks for more, the old one runs until you agree.

    Parameters
    ----------
    plugin
        Its id, as in `cara plugin list`.
    source
        As for `install`; without one, from where it came.
    yes
        Agree to whatever it asks for.
    """
    given = {"source": _source(source)} if source else {}
    _take("plugins.upgrade", {"id": plugin, "accept": yes, **given}, remote)


@app.command
def consent(
    plugin: str, /, *, yes: Yes = False, no: No = False, remote: Remote = DEFAULT_REMOTE
) -> None:
    """See what a waiting version asks for, and agree to it or let go of it.

    Parameters
    ----------
    plugin
        Its id, as in `cara plugin list`.
    yes
        Agree.
    no
        Let go of it; what runs goes on.
    """
    if yes and no:
        raise Trouble("It is --yes or --no.", exit_code=USAGE)
    with connect(_patient(remote)) as gateway:
        page: dict[str, Any] = gateway.call("plugins.list")
        rows: list[dict[str, Any]] = page.get("plugins", [])
        row = next((one for one in rows if one["id"] == plugin), None)
        if row is None or not row.get("pending"):
            raise Trouble(f"Nothing of {plugin} waits.", next_step="See: cara plugin list")
        _show_pending(row, remote)
        if not (yes or no or _agrees(remote)):
            _tell_waiting(row, remote)
            return
        params = {"id": plugin, "digest": row["pending"]["digest"], "accept": not no}
        done: dict[str, Any] = gateway.call("plugins.consent", params)
    _tell(done.get("plugin"), remote, gone=f"{plugin} is gone; nothing of it is left.")


@app.command
def enable(plugin: str, /, *, remote: Remote = DEFAULT_REMOTE) -> None:
    """Let a plugin run.

    Parameters
    ----------
    plugin
        Its id, as in `cara plugin list`.
    """
    _change("plugins.enable", {"id": plugin}, remote)


@app.command
def disable(plugin: str, /, *, remote: Remote = DEFAULT_REMOTE) -> None:
    """End a plugin; it does not run again until it is enabled.

    Parameters
    ----------
    plugin
        Its id, as in `cara plugin list`.
    """
    _change("plugins.disable", {"id": plugin}, remote)


@app.command
def rollback(
    plugin: str, version: str | None = None, /, *, yes: Yes = False, remote: Remote = DEFAULT_REMOTE
) -> None:
    """Go back to a version that is kept from before.

    Parameters
    ----------
    plugin
        Its id, as in `cara plugin list`.
    version
        Which one; without it, the one before.
    yes
        Agree to what that version may do beyond the one in use.
    """
    given = {"version": version} if version else {}
    _change("plugins.rollback", {"id": plugin, "accept": yes, **given}, remote)


@app.command
def remove(plugin: str, /, *, yes: Yes = False, remote: Remote = DEFAULT_REMOTE) -> None:
    """Delete a plugin with all of its versions and what it kept.

    Parameters
    ----------
    plugin
        Its id, as in `cara plugin list`.
    yes
        Needed, since what it kept cannot be had back.
    """
    if not yes:
        raise Trouble("Nothing was removed.", next_step="Confirm with --yes", exit_code=USAGE)
    _change("plugins.remove", {"id": plugin}, remote)


def _source(text: str) -> str:
    """A path as the gateway needs it; names and addresses as they are.

    A bare word is never taken for a folder beside the caller: whoever wrote that folder would
    choose what is installed (advisory G02).
    """
    is_path = text.startswith((".", "/", "~")) or ("/" in text and "://" not in text)
    is_file = text.endswith(".carapace-plugin") and "://" not in text
    return str(Path(text).expanduser().absolute()) if is_path or is_file else text


def _take(method: str, params: dict[str, Any], remote: Remote) -> None:
    """Install or upgrade; ask what has to be asked."""
    with connect(_patient(remote)) as gateway:
        done: dict[str, Any] = gateway.call(method, params)
        row: dict[str, Any] = done["plugin"]
        if not row.get("pending"):
            _tell(row, remote)
            return
        _show_pending(row, remote)
        if not _agrees(remote):
            _tell_waiting(row, remote)
            return
        agreed = {"id": row["id"], "digest": row["pending"]["digest"]}
        done = gateway.call("plugins.consent", agreed)
    _tell(done.get("plugin"), remote)


def _change(method: str, params: dict[str, Any], remote: Remote) -> None:
    with connect(_patient(remote)) as gateway:
        done: dict[str, Any] = gateway.call(method, params)
    _tell(done.get("plugin"), remote, gone=f"{params['id']} is gone.")


def _patient(remote: Remote) -> Remote:
    return dataclasses.replace(remote, timeout_s=max(remote.timeout_s, _DEADLINE_S))


def _show_pending(row: dict[str, Any], remote: Remote) -> None:
    if remote.json:
        return
    pending: dict[str, Any] = row["pending"]
    is_new = row["state"] == "waits-for-consent"
    show(f"{row['name']} ({row['id']} {pending['version']}), {_publisher(pending)}")
    show("It wants to:" if is_new else f"Beyond what {row['version']} may do, it wants to:")
    for one in pending["added"]:
        show(f"  + {one}")
    for one in pending["removed"]:
        show(f"  - no longer: {one}")


def _agrees(remote: Remote) -> bool:
    if remote.json or not sys.stdin.isatty():
        return False
    return input("Agree? [y/N] ").strip().lower() in {"y", "yes"}


def _tell_waiting(row: dict[str, Any], remote: Remote) -> None:
    if remote.json:
        as_json({"plugin": row})
        return
    runs = "" if row["state"] == "waits-for-consent" else f" {row['version']} goes on."
    show(
        f"It waits.{runs} Agree to it: cara plugin consent {row['id']} --yes; let go of it: "
        f"cara plugin consent {row['id']} --no"
    )


def _tell(row: dict[str, Any] | None, remote: Remote, *, gone: str = "") -> None:
    if remote.json:
        as_json({"plugin": row})
    elif row is None:
        show(gone)
    else:
        reason = f": {row['reason']}" if row.get("reason") else ""
        show(f"{row['id']} {row['version']} ({_publisher(row)}) is {row['state']}{reason}")


def _publisher(row: dict[str, Any]) -> str:
    """Whose it is; what nobody signed says so wherever it shows."""
    return str(row["publisher"]) if row.get("signed") else "UNSIGNED"
