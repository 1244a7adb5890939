"""The verbs of `cara`: the one list from which help, dispatch and the reference are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["VERBS", "Verb", "overview"]


@dataclass(frozen=True, slots=True)  # no Value: help pages load no library
class Verb:
    """One verb.

    Attributes:
        name: As typed.
        summary: One line for the overview.
        target: `module:attribute` of its function, or of its app if it has sub-commands.
    """

    name: str
    summary: str
    target: str


VERBS: Final = (
    Verb("up", "Start the gateway here, and a chat with it.", "carapace.cli.up:up"),
    Verb("setup", "Set the gateway up by questions.", "carapace.cli.setup:setup"),
    Verb("chat", "Talk to the assistant, or ask it one thing.", "carapace.cli.chat:chat"),
    Verb("status", "What the running gateway is doing.", "carapace.cli.status:status"),
    Verb("doctor", "Find what is broken, and mend it with --fix.", "carapace.cli.doctor:doctor"),
    Verb("config", "Read, change and explain settings.", "carapace.cli.config:app"),
    Verb("model", "The embedded model: list, pull, use.", "carapace.cli.model:app"),
    Verb("token", "Show or replace the gateway's token.", "carapace.cli.token:app"),
    Verb("sessions", "List, show and delete conversations.", "carapace.cli.sessions:app"),
    Verb("pairing", "Who may write on a chat: list, approve.", "carapace.cli.pairing:app"),
    Verb("outbox", "Messages on their way out: list, retry, drop.", "carapace.cli.outbox:app"),
    Verb("inbox", "Messages from chats: list, replay.", "carapace.cli.inbox:app"),
    Verb("plugin", "Plugins: install, list; write your own.", "carapace.cli.plugin:app"),
    Verb("logs", "The gateway's log; -f follows it.", "carapace.cli.logs:logs"),
    Verb("version", "Versions of everything that matters.", "carapace.cli.version:version"),
    Verb("completion", "Completion script for your shell.", "carapace.cli.completion:completion"),
)


def overview() -> str:
    """What `cara --help` prints; made without importing anything heavy."""
    width = max(len(verb.name) for verb in VERBS)
    rows = "\n".join(f"  {verb.name:<{width}}  {verb.summary}" for verb in VERBS)
    return (
        "cara: a hardened, self-hosted gateway for a personal AI assistant.\n\n"
        "Usage: cara VERB [OPTIONS]\n\n"
        f"{rows}\n\n"
        "Begin with `cara up`. `cara VERB --help` explains a verb; most take --json.\n"
    )
