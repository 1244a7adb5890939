"""`cara setup`: the first steps as questions, asked by the gateway, or here if none runs.

Both ways it is the same set of questions; only who writes the answers differs.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import show
from carapace.cli.trouble import INTERRUPTED, USAGE, Trouble
from carapace.errors import GatewayError

if TYPE_CHECKING:
    from carapace.cli.client import GatewayClient
    from carapace.config.paths import Paths

__all__ = ["setup"]

_YES: Final = {"y": True, "yes": True, "n": False, "no": False}


class Questions(Protocol):
    """Where the questions come from; every answer is a `wizard.next` result."""

    def start(self, workspace: str | None) -> dict[str, Any]:
        """The first question, with the id of the session.

        Raises:
            Trouble: If there can be none now.
        """
        ...

    def answer(self, session_id: str, step_id: str, value: Any) -> dict[str, Any]:
        """The question after this answer.

        Raises:
            ValueError: If it is no answer; the same question stays.
            Trouble: If there is nobody to answer any more.
        """
        ...

    def cancel(self, session_id: str) -> None:
        """Forget the answers."""
        ...


def setup(*, workspace: str | None = None, remote: Remote = DEFAULT_REMOTE) -> int:
    """Set the gateway up by questions.

    They are about the model, its key, a chat service, and how the gateway is kept running. One that
    runs asks them itself and uses the answers at once. Nothing is written before the last question
    is answered with yes.

    Parameters
    ----------
    workspace
        Folder for the agent's files.
    """
    if remote.json or not sys.stdin.isatty():
        raise Trouble(
            "The setup asks a person questions, on a terminal.",
            next_step="A program sets values with: cara config set",
            exit_code=USAGE,
        )
    questions, close = _open(remote)
    try:
        return _ask_all(questions, workspace)
    finally:
        close()


def _ask_all(questions: Questions, workspace: str | None) -> int:
    found = questions.start(workspace)
    session_id = str(found["sessionId"])
    try:
        while not found.get("done"):
            found = _ask(questions, session_id, found["step"])
    except (KeyboardInterrupt, EOFError):
        with suppress(Trouble):
            questions.cancel(session_id)
        show("\nNothing was written.")
        return INTERRUPTED
    return _told(found)


def _told(found: dict[str, Any]) -> int:
    """Say how it ended; the exit code."""
    if found.get("status") == "error":
        raise Trouble(
            "The answers could not be written.",
            why=str(found.get("error", "unknown reason")),
            next_step="Mend it, then: cara setup",
        )
    if found.get("status") == "cancelled":
        show("Nothing was written.")
    return 0


def _ask(questions: Questions, session_id: str, step: dict[str, Any]) -> dict[str, Any]:
    """Show one question until it has an answer; what follows."""
    if step.get("title"):
        show(f"\n{step['title']}")
    if step.get("message"):
        show(str(step["message"]))
    while True:
        try:
            return questions.answer(session_id, str(step["id"]), _answer(step))
        except ValueError as error:
            show(f"  {error}")


def _answer(step: dict[str, Any]) -> Any:
    """What a person says to a question.

    Raises:
        ValueError: If it is no answer; says what would be one.
    """
    match step["type"]:
        case "note":
            return None
        case "confirm":
            return _yes_or_no(step)
        case "select":
            return _choice(step)
        case _:
            if step.get("sensitive"):
                return getpass.getpass("  (it does not show) > ").strip()
            hint = f" [{step['placeholder']}]" if step.get("placeholder") else ""
            return input(f" {hint} > ").strip()


def _yes_or_no(step: dict[str, Any]) -> bool:
    usual = step.get("initialValue") is not False
    line = input("  [Y/n] > " if usual else "  [y/N] > ").strip().lower()
    if line and line not in _YES:
        raise ValueError("Answer y or n.")
    return _YES.get(line, usual)


def _choice(step: dict[str, Any]) -> str:
    options: list[dict[str, Any]] = step.get("options", [])
    usual = next(
        (i for i, one in enumerate(options) if one["value"] == step.get("initialValue")), 0
    )
    for number, one in enumerate(options, start=1):
        hint = f" ({one['hint']})" if one.get("hint") else ""
        show(f"  {number}. {one['label']}{hint}")
    line = input(f"  number [{usual + 1}] > ").strip() or str(usual + 1)
    if not (line.isascii() and line.isdigit() and 1 <= int(line) <= len(options)):
        raise ValueError(f"Give a number from 1 to {len(options)}.")
    return str(options[int(line) - 1]["value"])


# ---- who asks ----


def _open(remote: Remote) -> tuple[Questions, Any]:
    """The gateway's own questions; those of this process if none runs on this machine."""
    from carapace.cli.client import GatewayClient  # noqa: PLC0415 - help needs none of it
    from carapace.cli.target import find_target, is_this_machine  # noqa: PLC0415
    from carapace.cli.websocket import WebSocketError  # noqa: PLC0415

    target = find_target(remote)
    try:
        client = GatewayClient(target, timeout_s=remote.timeout_s)
    except Trouble as trouble:
        is_absent = isinstance(trouble.__cause__, WebSocketError) and remote.url is None
        if not (is_absent and is_this_machine(target.url)):
            raise
        show("No gateway runs here; the answers count when one starts.")
        return _Here(target.paths), lambda: None
    return _There(client), client.close


class _There:
    """Questions of a running gateway."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client

    def start(self, workspace: str | None) -> dict[str, Any]:
        params = {"workspace": workspace} if workspace else {}
        return self._call("wizard.start", params)

    def answer(self, session_id: str, step_id: str, value: Any) -> dict[str, Any]:
        from carapace.cli.client import RequestFailed  # noqa: PLC0415 - as in `_open`

        given = {"stepId": step_id} | ({} if value is None else {"value": value})
        try:
            return self._call("wizard.next", {"sessionId": session_id, "answer": given})
        except RequestFailed as refused:
            if refused.code != "INVALID_REQUEST" or str(refused.why).startswith(_GONE):
                raise
            raise ValueError(str(refused.why)) from None

    def cancel(self, session_id: str) -> None:
        self._call("wizard.cancel", {"sessionId": session_id})

    def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._client.call(method, params)
        return found


_GONE: Final = ("wizard not", "Error: wizard")
"""How refusals begin after which no other answer helps."""


class _Here:
    """The same questions without a gateway: the files are written by this process."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._onboarding: Any = None

    def start(self, workspace: str | None) -> dict[str, Any]:
        found: dict[str, Any] = asyncio.run(self._start(workspace))
        return found

    def answer(self, session_id: str, step_id: str, value: Any) -> dict[str, Any]:
        try:
            return self._plain(asyncio.run(self._onboarding.answer(session_id, step_id, value)))
        except GatewayError as refused:
            raise ValueError(refused.message) from None

    def cancel(self, session_id: str) -> None:
        self._onboarding.cancel(session_id)

    async def _start(self, workspace: str | None) -> dict[str, Any]:
        from carapace.agent.onboarding.service import Onboarding  # noqa: PLC0415 - as in `_open`
        from carapace.app.provider_keys import ProviderKeys  # noqa: PLC0415
        from carapace.app.setup import HouseSetup  # noqa: PLC0415
        from carapace.clock import SystemClock  # noqa: PLC0415
        from carapace.config.load import Overrides  # noqa: PLC0415
        from carapace.config.service import ConfigService  # noqa: PLC0415
        from carapace.credentials.opening import open_vault  # noqa: PLC0415

        vault = await open_vault(self._paths.state_dir, os.environ)
        config = ConfigService(self._paths, Overrides(os.environ))
        house = HouseSetup(config, ProviderKeys(vault), environment=os.environ)
        self._onboarding = Onboarding(house, SystemClock())
        found = await self._onboarding.start(workspace)
        return {"sessionId": found.session_id, **self._plain(found)}

    @staticmethod
    def _plain(found: Any) -> dict[str, Any]:
        from carapace.methods.wizard import as_result  # noqa: PLC0415 - as in `_open`

        built: dict[str, Any] = msgspec.to_builtins(as_result(found))
        return built
