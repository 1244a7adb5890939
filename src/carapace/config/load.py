"""From files and environment to settings: read, include, substitute, overlay, check, convert.

Nothing here decides what to do about a broken file; that is `service`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from carapace.config.catalogue import catalogue
from carapace.config.check import check, modernise
from carapace.config.environment import read_environment
from carapace.config.include import Include
from carapace.config.issue import Issue, Problem
from carapace.config.json5 import Json5Error, parse
from carapace.config.located import Key, Located, Place
from carapace.config.others import fold
from carapace.config.reader import Reader
from carapace.config.settings import Settings
from carapace.config.substitute import file_variables, substitute
from carapace.value import Value

__all__ = ["Loaded", "Overrides", "load"]


class Overrides(Value, frozen=True):
    """What stands above the file: the environment, and flags above that.

    `flags` maps keys to values, `flag_names` to the words a person typed (`--port`).
    """

    environment: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    flags: Mapping[Key, Any] = msgspec.field(default_factory=dict[Key, Any])
    flag_names: Mapping[Key, str] = msgspec.field(default_factory=dict[Key, str])


class Loaded(Value, frozen=True):
    """The outcome of reading one configuration.

    Attributes:
        settings: None if there are issues.
        tree: The file's values with variables filled in, before environment and flags.
        effective: The same with environment and flags laid over.
        parsed: The root file's own value, as written.
        text: The root file's text; None if there is no file.
        files: The text of each file read, by real path.
        wanted: What a watcher has to watch.
    """

    settings: Settings | None
    tree: Located
    effective: Located
    parsed: Any
    text: str | None
    issues: tuple[Issue, ...]
    warnings: tuple[Issue, ...]
    files: dict[str, str]
    wanted: frozenset[Path]


def load(path: Path, reader: Reader, over: Overrides) -> Loaded:
    """Read `path` and all that belongs to it. Never raises for what a file may hold."""
    include = Include(reader)
    problems: list[Problem] = []
    tree = _read(include, path, problems)
    variables = file_variables(tree, over.environment)
    tree = modernise(substitute(tree, variables, problems))
    return _finish(include, path, tree, problems, over)


def _read(include: Include, path: Path, problems: list[Problem]) -> Located:
    nothing = Located({}, Place(str(path)))
    try:
        return include.load(path)
    except FileNotFoundError:
        return nothing
    except Problem as problem:
        problems.append(problem)
        return nothing


def _finish(
    include: Include, path: Path, tree: Located, problems: list[Problem], over: Overrides
) -> Loaded:
    outside = read_environment(over.environment)
    effective = tree
    for key, value in outside.values.items():
        effective = overlay(effective, key, value, Place(outside.names[key]))
    for key, value in over.flags.items():
        name = over.flag_names.get(key, "command line")
        effective = overlay(effective, key, value, Place(name))
    findings = check(effective)
    known = {one.key for one in problems}
    problems = problems + [one for one in findings.problems if one.key not in known]
    issues = (*(one.issue() for one in problems), *outside.issues)
    text = include.files.get(str(next(iter(include.files), "")))
    return Loaded(
        settings=None if issues else _convert(effective),
        tree=tree,
        effective=effective,
        parsed=_parsed(text),
        text=text,
        issues=issues,
        warnings=(*(one.issue() for one in findings.warnings), *outside.warnings),
        files=dict(include.files),
        wanted=frozenset(include.wanted | {path}),
    )


def _convert(tree: Located) -> Settings:
    """The settings of a checked tree; `env.NAME` texts join `env.vars`."""
    plain: Any = tree.plain()
    section = plain.get("env")
    if isinstance(section, dict):
        given: dict[str, Any] = section  # pyright: ignore[reportUnknownVariableType] - checked tree
        direct = {k: v for k, v in given.items() if isinstance(v, str)}
        plain["env"] = {"vars": {**direct, **(given.get("vars") or {})}}
    return msgspec.convert(fold(catalogue(), plain), Settings)


def _parsed(text: str | None) -> Any:
    if text is None:
        return {}
    try:
        return parse(text).plain()
    except Json5Error:
        return {}


def overlay(tree: Located, key: Key, value: Any, place: Place) -> Located:
    """`tree` with `value` at `key`, making the objects on the way."""
    if not key:
        return Located(value, place)
    members = dict(tree.value) if isinstance(tree.value, dict) else {}
    name = str(key[0])
    members[name] = overlay(members.get(name, Located({}, place)), key[1:], value, place)
    return Located(members, tree.place)
