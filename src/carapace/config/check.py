"""Does a tree fit the settings? Finds every misfit with its place, not just the first.

A value of the wrong type is an issue. A key without meaning is a warning: a file of the Node
gateway, or of a newer version, must not stop the start.
"""

from __future__ import annotations

import difflib
from typing import Any

import msgspec

from carapace.config.catalogue import ANY, Field, Shape, catalogue, entries
from carapace.config.issue import Problem
from carapace.config.located import Key, Located, Place, key_text
from carapace.config.node_keys import NODE_KEYS, SILENT_KEYS
from carapace.config.wording import choices, describe, describe_value

__all__ = ["Findings", "check", "modernise"]


class Findings:
    """What is wrong (`problems`) and what is merely odd (`warnings`).

    `unknown` has those of the odd that are names which no gateway knows, each with a suggestion or
    an empty text.
    """

    __slots__ = ("problems", "unknown", "warnings")

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.unknown: dict[Key, str] = {}


def check(tree: Located) -> Findings:
    """Compare a whole tree with the settings."""
    out = Findings()
    _check(catalogue(), tree, (), (), out)
    return out


def modernise(tree: Located) -> Located:
    """Older spellings that mean the same: `model: "a/b"` for `model: {primary: "a/b"}`."""
    for key in _model_places(tree):
        tree = _replace(tree, key)
    return tree


def _model_places(tree: Located) -> list[Key]:
    listed = tree.find(("agents", "list"))
    count = len(listed.value) if listed is not None and isinstance(listed.value, list) else 0
    per_agent: list[Key] = [("agents", "list", index, "model") for index in range(count)]
    return [("agents", "defaults", "model"), *per_agent]


def _replace(tree: Located, key: Key) -> Located:
    """The tree with a text at `key` turned into a choice with that primary."""
    if not key:
        if not isinstance(tree.value, str):
            return tree
        return Located({"primary": tree}, tree.place)
    part, rest = key[0], key[1:]
    if isinstance(tree.value, dict) and part in tree.value:
        changed = {**tree.value, str(part): _replace(tree.value[str(part)], rest)}
        return Located(changed, tree.place, tree.variables)
    if isinstance(tree.value, list) and isinstance(part, int):
        items = list(tree.value)
        items[part] = _replace(items[part], rest)
        return Located(items, tree.place, tree.variables)
    return tree


def _check(shape: Shape, here: Located, key: Key, pattern: tuple[str, ...], out: Findings) -> None:
    if here.value is None and shape.optional:
        return
    if shape.kind == "section" and isinstance(here.value, dict):
        _section(shape, here, key, pattern, out)
    elif shape.kind == "map" and isinstance(here.value, dict) and shape.item is not None:
        for name, one in here.value.items():
            _check(shape.item, one, (*key, name), (*pattern, ANY), out)
    elif shape.kind == "list" and isinstance(here.value, list) and shape.item is not None:
        for index, one in enumerate(here.value):
            _check(shape.item, one, (*key, index), (*pattern, ANY), out)
    elif shape.kind == "leaf":
        _leaf(shape, here, key, out)
    else:
        _misfit(shape, here, key, out)


def _section(
    shape: Shape, here: Located, key: Key, pattern: tuple[str, ...], out: Findings
) -> None:
    members = here.value if isinstance(here.value, dict) else {}
    for name, one in members.items():
        field = shape.fields.get(name)
        if field is not None:
            before = len(out.problems)
            _check(field.shape, one, (*key, name), (*pattern, name), out)
            _hide(field, out, before)
        elif shape.others is not None and _is_other(shape, name):
            _other(shape.others, one, (*key, name), pattern, out)
        elif not _is_silent(name, one, pattern):
            _unlisted(shape, one, (*key, name), pattern, out)
    for field in shape.fields.values():
        if field.required and field.name not in members:
            _missing(field, (*key, field.name), here.place, out)


def _is_other(shape: Shape, name: str) -> bool:
    """Whether a name that is not listed may be meant so, and is no slip of the pen."""
    is_taken = shape.others is not None and shape.others.takes(name)
    return is_taken and not difflib.get_close_matches(name, shape.fields, n=1, cutoff=0.8)


def _other(others: Field, here: Located, key: Key, pattern: tuple[str, ...], out: Findings) -> None:
    """Who needs it may not be installed: what is wrong with it is odd, and it is left out."""
    inner = Findings()
    if others.shape.item is not None:
        _check(others.shape.item, here, key, (*pattern, ANY), inner)
    for problem in inner.problems:
        problem.message += f" Until then {key_text(key)} has no effect."
    out.warnings += [*inner.problems, *inner.warnings]


def _missing(field: Field, key: Key, place: Place, out: Findings) -> None:
    out.problems.append(
        Problem(
            key_text(key),
            f"{key_text(key)} is missing. Write {describe(field.shape.type)} there.",
            place,
        )
    )


def _hide(field: Field, out: Findings, before: int) -> None:
    """A secret's value never stands in a message."""
    if field.secret:
        for problem in out.problems[before:]:
            problem.message = problem.message.split(", found ")[0] + ". Correct the value."


def _is_silent(name: str, one: Located, pattern: tuple[str, ...]) -> bool:
    if pattern == ("env",) and isinstance(one.value, str):
        return True
    return not pattern and name in SILENT_KEYS


def _unlisted(
    shape: Shape, one: Located, key: Key, pattern: tuple[str, ...], out: Findings
) -> None:
    full, name = key_text(key), str(key[-1])
    if name in NODE_KEYS.get(pattern, ()):
        message = f"{full} is known to the Node gateway and has no effect here yet"
    else:
        suggestion = _suggestion(shape, name, key)
        message = f"{full} is no known setting and has no effect.{suggestion}"
        out.unknown[key] = suggestion
    out.warnings.append(Problem(full, message, one.place))


def _suggestion(shape: Shape, name: str, key: Key) -> str:
    by_lower = {field.lower(): field for field in shape.fields}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    if near:
        return f" Did you mean {key_text((*key[:-1], by_lower[near[0]]))}?"
    elsewhere = [entry.key for entry in entries() if entry.key[-1] == name]
    if elsewhere and len(elsewhere) == 1:
        return f" Did you mean {key_text(elsewhere[0])}?"
    return ""


def _leaf(shape: Shape, here: Located, key: Key, out: Findings) -> None:
    try:
        msgspec.convert(here.plain(), shape.type)
    except msgspec.ValidationError:
        _misfit(shape, here, key, out)


def _misfit(shape: Shape, here: Located, key: Key, out: Findings) -> None:
    wanted = describe(shape.type)
    if here.variables:  # a variable's value may be a secret
        found = "the value of " + ", ".join(f"${{{name}}}" for name in here.variables)
    else:
        found = describe_value(here.plain())
    message = f"{key_text(key) or 'the file'}: expected {wanted}, found {found}. "
    message += _fix(shape, wanted, here.plain())
    out.problems.append(Problem(key_text(key), message, here.place))


def _fix(shape: Shape, wanted: str, given: Any) -> str:
    if shape.kind != "leaf":
        return "Put it in brackets." if shape.kind == "list" else "Write an object in braces."
    listed = choices(shape.type)
    if listed:
        near = difflib.get_close_matches(str(given), listed, n=1, cutoff=0.5)
        return f'Did you mean "{near[0]}"?' if near else "Choose one of them."
    if isinstance(given, str) and wanted.startswith(("a whole", "a number", "true")):
        return "Write it without quotes."
    if isinstance(given, int | float) and wanted.startswith("text"):
        return "Put it in quotes."
    return "Correct the value."
