"""`cases.toml`: what a plugin must answer, in any language.

    [host.config]
    greeting = "Good morning"

    [host.credentials]
    token = "of-a-test"

    [[host.http]]
    method = "GET"
    url = "https://api.example/v1/weather"
    status = 200
    body = '{"sky": "clear"}'

    [[case]]
    name = "greets"
    call = "tool.invoke"
    arguments = ["greet", '{"name": "Ada"}']
    gives = '"Good morning, Ada!"'

A case gives a value (`gives`), an object that has at least these members (`includes`), or an
error of a code (`fails`). Where both sides are JSON text, spelling does not count.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Final, Literal, cast

import msgspec

from carapace.errors import Refused

__all__ = ["CASES", "Case", "Cases", "HostSays", "Planned", "difference", "load_cases"]

CASES: Final = "cases.toml"


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One call and what must come of it."""

    name: str
    call: str
    arguments: list[Any] = []
    gives: Any = msgspec.UNSET
    includes: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    fails: str | msgspec.UnsetType = msgspec.UNSET
    instance: Literal["fresh", "service"] = "fresh"

    @property
    def target(self) -> tuple[str, str]:
        """Interface and function."""
        interface, _, function = self.call.partition(".")
        return interface, function


class Planned(msgspec.Struct, forbid_unknown_fields=True):
    """What a server answers to a request of the plugin."""

    url: str
    method: str = "GET"
    status: int = 200
    body: str | None = None
    headers: dict[str, str] = {}


class HostSays(msgspec.Struct, forbid_unknown_fields=True):
    """What the fake host knows."""

    config: dict[str, Any] = {}
    credentials: dict[str, str] = {}
    http: list[Planned] = []


class Cases(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    case: list[Case] = []
    host: HostSays = msgspec.field(default_factory=HostSays)


def load_cases(folder: Path) -> Cases:
    """Read the cases of a project; none if it has no file of them.

    Raises:
        Refused: If the file is wrong, with where.
    """
    path = folder / CASES
    if not path.is_file():
        return Cases()
    try:
        cases = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Cases)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Refused(f"{CASES}: {error}") from error
    for case in cases.case:
        if not all(case.target):
            raise Refused(f"{CASES}: {case.name}: write call as in tool.invoke")
    return cases


def difference(case: Case, value: Any) -> str | None:
    """Why `value` is not what the case wants; None if it is.

    Args:
        case: With `gives`, `includes` or neither, which takes any value.
        value: What the plugin returned.
    """
    if case.fails is not msgspec.UNSET:
        return f"gave {_shown(value)}, should fail with {case.fails}"
    if case.gives is not msgspec.UNSET and not _same(case.gives, value):
        return f"gave {_shown(value)}, not {_shown(case.gives)}"
    if case.includes is not msgspec.UNSET:
        if not isinstance(value, dict):
            return f"gave {_shown(value)}, which has no members"
        members = cast("dict[str, Any]", value)
        for name, wanted in case.includes.items():
            if name not in members or not _same(wanted, members[name]):
                return f"gave {name} = {_shown(members.get(name))}, not {_shown(wanted)}"
    return None


def _same(wanted: Any, value: Any) -> bool:
    if wanted == value:
        return True
    if isinstance(wanted, str) and isinstance(value, str):
        try:
            return json.loads(wanted) == json.loads(value)
        except ValueError:
            return False
    return False


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
