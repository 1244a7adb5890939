"""How a recorded value and a new one are compared.

Everything must be equal unless a rule with a reason says otherwise. A rule relaxes one
path: `type` wants the same JSON type, `present` any value, `ignored` nothing at all. Keys
that only the new answer has are counted, not refused: decoders skip what they do not know.
"""

# Recorded JSON has any shape:
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportOptionalSubscript=false
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

__all__ = ["Comparison", "Difference", "Rule", "compare"]

How = Literal["type", "present", "ignored", "list", "kinds"]


class Rule(msgspec.Struct, frozen=True):
    """A relaxation: which exchanges (`trace`, `case`), which `path` in them, `how`, and why.

    Names and paths are shell patterns; list positions are path parts (`responses.0.payload.ts`).
    `list` compares only that both are lists and every new element fits the first recorded one;
    `kinds` compares two lists of events by their kinds in order, repeats folded.
    """

    path: str
    how: How
    reason: str
    trace: str = "*"
    case: str = "*"

    def applies(self, trace: str, case: str, path: str) -> bool:
        """Whether this rule speaks of `path` in that exchange."""
        return (
            fnmatchcase(path, self.path)
            and fnmatchcase(trace, self.trace)
            and fnmatchcase(case, self.case)
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that does not fit."""

    path: str
    expected: str
    found: str


@dataclass(slots=True)
class Comparison:
    """What came of comparing one exchange."""

    differences: list[Difference] = field(default_factory=list)
    relaxed: dict[str, str] = field(default_factory=dict)
    extra: list[str] = field(default_factory=list)
    checked: int = 0

    @property
    def is_match(self) -> bool:
        """Whether everything fits."""
        return not self.differences

    def differ(self, path: str, expected: object, found: object) -> None:
        """Note that `path` does not fit."""
        self.differences.append(Difference(path, _short(expected), _short(found)))


_MISSING = object()


def compare(
    recorded: object, found: object, rules: Iterable[Rule], *, trace: str, case: str, path: str
) -> Comparison:
    """Compare two JSON values from `path` down."""
    comparison = Comparison()
    relevant = [
        rule for rule in rules if fnmatchcase(trace, rule.trace) and fnmatchcase(case, rule.case)
    ]
    _walk(recorded, found, path, _Judge(relevant, trace, case), comparison)
    return comparison


class _Judge:
    """Finds the first rule for a path."""

    def __init__(self, rules: Sequence[Rule], trace: str, case: str) -> None:
        self._rules, self._trace, self._case = rules, trace, case

    def rule(self, path: str) -> Rule | None:
        return next((r for r in self._rules if r.applies(self._trace, self._case, path)), None)


def _walk(recorded: Any, found: Any, path: str, judge: _Judge, out: Comparison) -> None:
    rule = judge.rule(path)
    if rule is not None:
        _relaxed(recorded, found, path, rule, out)
    elif found is _MISSING:
        out.differ(path, recorded, "(missing)")
    elif isinstance(recorded, dict) and isinstance(found, dict):
        for key in recorded:
            _walk(recorded[key], found.get(key, _MISSING), f"{path}.{key}", judge, out)
        out.extra += [f"{path}.{key}" for key in found if key not in recorded]
    elif isinstance(recorded, list) and isinstance(found, list):
        _lists(recorded, found, path, judge, out)
    else:
        out.checked += 1
        if _kind(recorded) != _kind(found) or recorded != found:
            out.differ(path, recorded, found)


def _lists(
    recorded: list[Any], found: list[Any], path: str, judge: _Judge, out: Comparison
) -> None:
    if len(recorded) != len(found):
        out.differ(f"{path}.length", len(recorded), len(found))
    for index, (left, right) in enumerate(zip(recorded, found, strict=False)):
        _walk(left, right, f"{path}.{index}", judge, out)


def _relaxed(recorded: Any, found: Any, path: str, rule: Rule, out: Comparison) -> None:
    out.relaxed[path] = f"{rule.how}: {rule.reason}"
    if rule.how == "ignored":
        return
    out.checked += 1
    if found is _MISSING:
        out.differ(path, recorded, "(missing)")
    elif rule.how == "type" and _kind(recorded) != _kind(found):
        out.differ(path, f"a {_kind(recorded)}", found)
    elif rule.how == "list":
        _elements(recorded, found, path, out)
    elif rule.how == "kinds" and _kinds(recorded) != _kinds(found):
        out.differ(path, " ".join(_kinds(recorded)), " ".join(_kinds(found)))


def _elements(recorded: Any, found: Any, path: str, out: Comparison) -> None:
    """Every new element has the keys and types of the first recorded one."""
    if not isinstance(found, list) or not isinstance(recorded, list):
        out.differ(path, "a list", found)
        return
    model: Any = recorded[0] if recorded else None
    for index, element in enumerate(found):
        if model is not None and _kind(element) != _kind(model):
            out.differ(f"{path}.{index}", f"a {_kind(model)}", element)


def _kinds(events: Any) -> list[str]:
    """`agent:lifecycle:start agent:assistant chat:delta ...`; a tool's progress does not count."""
    kinds: list[str] = []
    for event in events if isinstance(events, list) else ():
        payload = event.get("payload") or {}
        phase = (payload.get("data") or {}).get("phase")
        words = (event.get("event"), payload.get("stream"), payload.get("state"), phase)
        kind = ":".join(str(word) for word in words if word)
        if kind != "agent:tool:update" and (not kinds or kinds[-1] != kind):
            kinds.append(kind)
    return kinds


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    names: dict[type[object], str] = {
        int: "int",
        float: "float",
        str: "str",
        type(None): "null",
        list: "list",
        dict: "object",
    }
    return names[type(value)]


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 160 else text[:157] + "..."  # noqa: PLR2004 - a line of a report
