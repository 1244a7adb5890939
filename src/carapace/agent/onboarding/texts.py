"""The longer texts of the questions."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from carapace.agent.onboarding.types import Choice

__all__ = ["SECURITY", "SERVICES", "WELCOME", "service_text"]

WELCOME: Final = "Carapace: first steps"
SECURITY: Final = (
    "An assistant that reads what strangers write can be talked into things. By default it "
    "listens on this machine alone, answers nobody whom you have not let in, and asks a person "
    "before it runs a command. Keep it so until you know what you open."
)
SERVICES: Final = (
    Choice("hand", "I start it myself", "cara up"),
    Choice("systemd", "systemd", "as a service of your user"),
    Choice("container", "A container", "its runtime starts it again"),
)
_UNIT: Final = """\
Save this as ~/.config/systemd/user/carapace.service:

[Unit]
Description=Carapace gateway

[Service]
ExecStart={program}
Restart=on-failure
TimeoutStopSec=15
NoNewPrivileges=true

[Install]
WantedBy=default.target

Then: systemctl --user enable --now carapace"""
_IN_UNITS: Final = (
    ("\\", "\\\\"),
    ('"', '\\"'),
    ("\n", "\\n"),
    ("\r", "\\r"),
    ("%", "%%"),
    ("$", "$$"),
)
_CONTAINER: Final = (
    "Let the container run `{program}` and be started again when it ends; keep the state folder "
    "on a volume. Its end is exit code 78 where the configuration has to be mended first."
)
_HAND: Final = "Start it whenever you want it: {program}. Ctrl-C ends it in order."


def service_text(service: str, program: Sequence[str]) -> str:
    """How to have it run so; `program` is the command that starts it, word by word."""
    if service == "systemd":
        return _UNIT.format(program=" ".join(map(_unit_word, program)))
    text = _CONTAINER if service == "container" else _HAND
    return text.format(program=shlex.join(program))


def _unit_word(word: str) -> str:
    """A word as a unit file wants it: in quotes, nothing in it replaced or taken as an end."""
    for char, written in _IN_UNITS:
        word = word.replace(char, written)
    return f'"{word}"'
