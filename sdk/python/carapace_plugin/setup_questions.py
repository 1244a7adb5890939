# ruff: noqa: ARG002 - what a setup overrides tells what it takes
"""Setup: what the setup assistant asks for this plugin."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

__all__ = ["Question", "Setup", "questions", "settings", "setup"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question; `choices` are for the kind `choice`."""

    key: str
    label: str
    help: str = ""
    kind: Literal["text", "secret", "choice", "yes-no"] = "text"
    choices: tuple[str, ...] = ()
    required: bool = True


class Setup:
    """What to ask, and the settings that follow from the answers."""

    def questions(self, account: str) -> list[Question]:
        """What to ask for an account."""
        return []

    def settings(self, account: str, answers: dict[str, Any]) -> dict[str, Any]:
        """The settings to write; the answers as they are unless overridden.

        Raises:
            PluginError: If the answers cannot be right, with what to change.
        """
        return answers


_Class = TypeVar("_Class", bound=Setup)
_registered: list[Setup] = []


def setup(decorated: type[_Class]) -> type[_Class]:
    """Make a class the plugin's setup.

    Raises:
        ValueError: If there is one already.
    """
    if _registered:
        raise ValueError("a plugin has one setup")
    _registered.append(decorated())
    return decorated


def questions(account: str) -> list[dict[str, Any]]:
    """The contract's `setup.questions`."""
    return [
        {
            "key": each.key,
            "label": each.label,
            "help": each.help,
            "kind": each.kind,
            "choices": list(each.choices),
            "required": each.required,
        }
        for each in _setup().questions(account)
    ]


def settings(account: str, answers: str) -> str:
    """The contract's `setup.settings`: JSON in and out."""
    return json.dumps(_setup().settings(account, json.loads(answers)))


def _setup() -> Setup:
    return _registered[0] if _registered else Setup()
