"""Settings from environment variables, under our own names and those of the Node gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from carapace.config.issue import Issue
from carapace.config.located import Key
from carapace.value import Value

__all__ = ["PREFIXES", "VARIABLES", "FromEnvironment", "Variable", "lookup", "read_environment"]

PREFIXES: Final = ("CARAPACE", "OPENCLAW", "MOLTBOT", "CLAWDBOT")
"""Ours first; among the Node gateway's names the newest product name wins."""


class Variable(Value, frozen=True):
    """One variable: its name behind the prefix, and the setting it stands for."""

    suffix: str
    key: Key
    is_number: bool = False
    is_secret: bool = False


VARIABLES: Final = (
    Variable("GATEWAY_PORT", ("gateway", "port"), is_number=True),
    Variable("GATEWAY_TOKEN", ("gateway", "auth", "token"), is_secret=True),
    Variable("GATEWAY_PASSWORD", ("gateway", "auth", "password"), is_secret=True),
)


class FromEnvironment(Value, frozen=True):
    """What the environment says.

    Attributes:
        values: By key; already of the right type.
        names: By key, the variable that said it.
        issues: Values that make no sense.
        warnings: Aliases that contradict each other.
    """

    values: dict[Key, Any]
    names: dict[Key, str]
    issues: tuple[Issue, ...]
    warnings: tuple[Issue, ...]


def lookup(environment: Mapping[str, str], suffix: str) -> tuple[str | None, str, list[str]]:
    """The value of a variable under any prefix, its full name, and names that contradict it.

    An empty variable counts as not set.
    """
    found = [
        (name, environment[name])
        for name in (f"{prefix}_{suffix}" for prefix in PREFIXES)
        if environment.get(name)
    ]
    if not found:
        return None, f"{PREFIXES[0]}_{suffix}", []
    name, value = found[0]
    return value, name, [other for other, theirs in found[1:] if theirs != value]


def read_environment(environment: Mapping[str, str]) -> FromEnvironment:
    """All settings that the environment holds."""
    values: dict[Key, Any] = {}
    names: dict[Key, str] = {}
    issues: list[Issue] = []
    warnings: list[Issue] = []
    for variable in VARIABLES:
        text, name, others = lookup(environment, variable.suffix)
        if text is None:
            continue
        path = ".".join(str(part) for part in variable.key)
        if others:
            said = f"{name} differs from {', '.join(others)}; {name} is used. Unset the others."
            warnings.append(Issue(path, said))
        if variable.is_number and not _is_port(text):
            said = f"{name}: expected a port from 1 to 65535, found {text!r}. Correct or unset it."
            issues.append(Issue(path, said))
            continue
        values[variable.key] = int(text) if variable.is_number else text
        names[variable.key] = name
    return FromEnvironment(values, names, tuple(issues), tuple(warnings))


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535  # noqa: PLR2004 - TCP ports
