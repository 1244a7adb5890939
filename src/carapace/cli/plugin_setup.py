"""`cara plugin setup`, `probe`, `find` and `resolve`: an account of a plugin, and who is there."""

from __future__ import annotations

import dataclasses
import getpass
import sys
from typing import Annotated, Any, Final

import msgspec
from cyclopts import App, Parameter

from carapace.cli.connect import connect
from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import as_json, report, show, table
from carapace.cli.trouble import USAGE, Trouble

__all__ = ["add_setup_commands"]

Account = Annotated[str, Parameter()]

_DEADLINE_S: Final = 60.0
"""The plugin may have to ask its service."""
_YES: Final = frozenset({"y", "yes"})


def add_setup_commands(app: App) -> None:
    """Put the four below `app`."""
    for command in (setup, probe, find, resolve):
        app.command(command)


def setup(plugin: str, /, *, account: Account = "default", remote: Remote = DEFAULT_REMOTE) -> None:
    """Answer what a plugin wants to know, and write it into the configuration.

    On a terminal you are asked; what is secret does not show. Elsewhere the answers are read
    from standard input, as one JSON object: `{"botToken": "..."}`.

    Parameters
    ----------
    plugin
        Its id, as in `cara plugin list`.
    account
        Which of its accounts.
    """
    who = {"id": plugin, "accountId": account}
    with connect(_patient(remote)) as gateway:
        wanted: dict[str, Any] = gateway.call("plugins.setup.questions", who)
        questions: list[dict[str, Any]] = wanted.get("questions", [])
        answers = _asked(questions) if sys.stdin.isatty() else _read(questions)
        done: dict[str, Any] = gateway.call("plugins.setup.apply", {**who, "answers": answers})
    keys = ", ".join(done.get("keys", [])) or "nothing"
    report(done, f"Written: {keys}. It counts at once.", is_json=remote.json)
    if not remote.json:
        which = "" if account == "default" else f" --account {account}"
        show(f"See whether it works: cara plugin probe {plugin}{which}")


def probe(plugin: str, /, *, account: Account = "default", remote: Remote = DEFAULT_REMOTE) -> None:
    """Ask the chat service whether it takes our credentials, and as whom.

    Parameters
    ----------
    plugin
        Its id, as in `cara plugin list`.
    account
        Which of its accounts.
    """
    done = _ask("plugins.channel.probe", {"id": plugin, "accountId": account}, remote)
    if remote.json:
        as_json(done)
        return
    show(f"{plugin} ({account}): the service takes our credentials.")
    for name, value in done.get("account", {}).items():
        show(f"  {name}: {value}")


def find(
    plugin: str,
    query: str = "",
    /,
    *,
    account: Account = "default",
    limit: int = 50,
    remote: Remote = DEFAULT_REMOTE,
) -> None:
    """Look for people and groups that the chat service knows.

    Parameters
    ----------
    plugin
        Its id, as in `cara plugin list`.
    query
        A part of a name; without it, everybody.
    account
        Which of its accounts.
    limit
        How many at most, up to 200.
    """
    params = {"id": plugin, "accountId": account, "query": query, "limit": limit}
    done = _ask("plugins.channel.directory", params, remote)
    people: list[dict[str, Any]] = done.get("people", [])
    if remote.json:
        as_json(done)
    elif not people:
        show("The service names nobody.")
    else:
        rows = [(one["id"], one["chatType"], one.get("name") or "") for one in people]
        table(("id", "kind", "name"), rows)


def resolve(
    plugin: str, text: str, /, *, account: Account = "default", remote: Remote = DEFAULT_REMOTE
) -> None:
    """Turn a target as people write it into the chat service's own id.

    Parameters
    ----------
    plugin
        Its id, as in `cara plugin list`.
    text
        As you would write it.
    account
        Which of its accounts.
    """
    params = {"id": plugin, "accountId": account, "text": text}
    done = _ask("plugins.channel.resolve", params, remote)
    report(done, str(done.get("target", "")), is_json=remote.json)


def _ask(method: str, params: dict[str, Any], remote: Remote) -> dict[str, Any]:
    with connect(_patient(remote)) as gateway:
        done: dict[str, Any] = gateway.call(method, params)
    return done


def _patient(remote: Remote) -> Remote:
    return dataclasses.replace(remote, timeout_s=max(remote.timeout_s, _DEADLINE_S))


# ---- answers ----


def _read(questions: list[dict[str, Any]]) -> dict[str, Any]:
    """The answers of a program."""
    try:
        return msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        keys = ", ".join(str(one["key"]) for one in questions) or "none"
        raise Trouble(
            "The answers on standard input are no JSON object.",
            why=str(error),
            next_step=f"Give the keys {keys}, or run it on a terminal to be asked",
            exit_code=USAGE,
        ) from None


def _asked(questions: list[dict[str, Any]]) -> dict[str, Any]:
    """The answers of a person; what was left blank is not among them."""
    answers: dict[str, Any] = {}
    for question in questions:
        answer = _answer(question)
        if answer is not None:
            answers[str(question["key"])] = answer
    return answers


def _answer(question: dict[str, Any]) -> str | bool | None:
    show(f"{question['label']}{'' if question['required'] else ' (may be left blank)'}")
    if question.get("help"):
        show(f"  {question['help']}")
    while True:
        try:
            return _taken(question, _line(question))
        except ValueError as error:
            show(f"  {error}")


def _line(question: dict[str, Any]) -> str:
    match question["kind"]:
        case "secret":
            return getpass.getpass("  (it does not show) > ").strip()
        case "yes-no":
            return input("  [y/N] > ").strip()
        case "choice":
            for number, choice in enumerate(question["choices"], start=1):
                show(f"  {number}. {choice}")
            return input("  number > ").strip()
        case _:
            return input("  > ").strip()


def _taken(question: dict[str, Any], line: str) -> str | bool | None:
    """What a line means.

    Raises:
        ValueError: If it is no answer; says what would be one.
    """
    if question["kind"] == "yes-no":
        return line.lower() in _YES
    if not line:
        if question["required"]:
            raise ValueError("This is needed.")
        return None
    if question["kind"] != "choice":
        return line
    choices: list[str] = question["choices"]
    if not (line.isascii() and line.isdigit() and 1 <= int(line) <= len(choices)):
        raise ValueError(f"Give a number from 1 to {len(choices)}.")
    return choices[int(line) - 1]
