"""`cara chat`: a terminal around a conversation."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import as_json
from carapace.cli.trouble import USAGE, Trouble
from carapace.telemetry.redact import strip_controls

if TYPE_CHECKING:
    from carapace.cli.conversation import Answer, Conversation

__all__ = ["chat", "talk"]

_MAX_PIPED_CHARS: Final = 400_000
_HISTORY_LINES: Final = 1000
_HELP: Final = """\
  /new     begin anew; what was said before is put away
  /abort   end whatever this conversation is still working on
  /quit    leave (as Ctrl-D)
  Ctrl-C   ends the answer that is coming in; at the prompt it leaves"""


def chat(
    message: str | None = None,
    /,
    *,
    session: str = "main",
    remote: Remote = DEFAULT_REMOTE,
) -> int:
    """Talk to the assistant, or ask it one thing.

    Without a message, on a terminal, a conversation begins. With a message, or with text
    piped in, the answer is printed and the command ends.

    Parameters
    ----------
    message
        What to ask; text that is piped in is added below it.
    session
        Which conversation, as in `cara sessions list`.
    """
    question = _question(message)
    if question is None and remote.json:
        raise Trouble(
            "--json needs a message.", next_step='As in: cara chat "hello" --json', exit_code=USAGE
        )
    from carapace.cli.client import GatewayClient  # noqa: PLC0415 - help needs none of it
    from carapace.cli.conversation import Conversation  # noqa: PLC0415
    from carapace.cli.target import find_target  # noqa: PLC0415

    target = find_target(remote)
    with GatewayClient(target, timeout_s=remote.timeout_s) as gateway:
        conversation = Conversation(gateway, session)
        if question is not None:
            return _ask_once(conversation, question, is_json=remote.json)
        return talk(conversation, target.paths.state_dir / "chat_history")


def talk(conversation: Conversation, history: Path) -> int:
    """Converse until the person leaves; needs a terminal."""
    print("Type a message. /help lists commands, Ctrl-D leaves.", file=sys.stderr)
    lines = _History(history)
    try:
        while (line := _read_line()) is not None:
            if line in {"/quit", "/exit"}:
                break
            if line:
                _handle(conversation, line)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        lines.save()
    return 0


def _handle(conversation: Conversation, line: str) -> None:
    if line == "/help":
        print(_HELP)
    elif line == "/new":
        conversation.reset()
        print("A new conversation.")
    elif line == "/abort":
        count = conversation.abort()
        print(f"Ended {count} running." if count else "Nothing was running.")
    else:
        _report(conversation.ask(line, _write))


def _ask_once(conversation: Conversation, question: str, *, is_json: bool) -> int:
    answer = conversation.ask(question, _ignore if is_json else _write)
    if is_json:
        as_json(
            {
                "runId": answer.run_id,
                "state": answer.state,
                "text": answer.text,
                "error": answer.reason,
            }
        )
    else:
        _report(answer)
    return 0 if answer.state == "final" else 1


def _report(answer: Answer) -> None:
    """End the line of the answer, and say why it is not whole if it is not."""
    if answer.text:
        print()
    if answer.state == "aborted":
        print("(aborted)", file=sys.stderr)
    elif answer.state == "error":
        print(f"error: {strip_controls(answer.reason or 'the run failed')}", file=sys.stderr)


def _write(text: str) -> None:
    sys.stdout.write(strip_controls(text))
    sys.stdout.flush()


def _ignore(_text: str) -> None:
    return


def _question(message: str | None) -> str | None:
    """The message with what was piped in; None for a conversation.

    Beside a message, standard input is read only if it is a pipe or file: a service's
    inherited terminal or null device has nothing to say.
    """
    if sys.stdin.isatty():
        return message
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if message is not None and not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
        return message
    piped = sys.stdin.read(_MAX_PIPED_CHARS + 1)
    if len(piped) > _MAX_PIPED_CHARS:
        raise Trouble(
            "Too much was piped in.",
            why=f"at most {_MAX_PIPED_CHARS:,} characters",
            next_step="Send a part of it",
            exit_code=USAGE,
        )
    question = "\n\n".join(part for part in (message, piped.strip()) if part)
    if not question:
        raise Trouble(
            "There is nothing to ask.",
            why="standard input was empty",
            next_step='As in: cara chat "hello"',
            exit_code=USAGE,
        )
    return question


def _read_line() -> str | None:
    """One line from the person; None at Ctrl-D."""
    try:
        return input("you> ").strip()
    except EOFError:
        print(file=sys.stderr)
        return None


class _History:
    """Earlier lines for the arrow keys, private to the user; nothing where readline is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            import readline  # noqa: PLC0415 - not on every platform
        except ImportError:
            return
        self._readline = readline
        if path.exists():
            readline.read_history_file(path)
        readline.set_history_length(_HISTORY_LINES)

    def save(self) -> None:
        """Write the lines back; a full disk costs the history, not the conversation."""
        if not hasattr(self, "_readline"):
            return
        try:
            self._path.touch(mode=0o600)
            self._readline.write_history_file(self._path)
        except OSError as error:
            print(f"The history was not kept: {error.strerror}", file=sys.stderr)
