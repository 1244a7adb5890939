"""The page that says how far the Node gateway's contract is kept, from the recordings themselves.

Every row is a recorded exchange that `tests/golden/test_replay.py` asks again; what is tolerated
stands in the scenarios with its reason, and this page repeats it. Nothing here is typed by hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from carapace_tools.golden.matching import Rule
from carapace_tools.golden.scenario import Scenario, load_scenario
from carapace_tools.golden.traces import load_trace

__all__ = ["BEYOND", "SAFER", "Coverage", "Tolerance", "compatibility_page", "coverage"]

SAFER: Final = "safer:"
"""How the reason of a rule begins that stands for a refusal the Node gateway would not give."""
BEYOND: Final = "beyond:"
"""Likewise of one for an answer where the recorded gateway had none, as later releases give it."""

_TEST: Final = "tests/golden/test_replay.py"
_ELSEWHERE: Final = {
    "event.*": "tests/golden/test_schema.py",
    "broadcast": "tests/flow/test_broadcast.py",
    "hello-ok": "tests/golden/test_schema.py",
    "scopes": "tests/flow/test_scopes.py",
}
"""Recordings that are no exchange, or one of several connections, and which test holds them."""

_Key = tuple[str, str]  # name of the trace, name of the case


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A value that may differ: of which exchanges (shell patterns), how it is compared, and why."""

    trace: str
    case: str
    path: str
    how: str
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was recorded and what is asked again.

    Attributes:
        recorded: Every recorded exchange, in order.
        replayed: In which scenario each is asked again, or which test holds it.
        safer: Those that a deliberate refusal makes different, with its reason.
        beyond: Those that are answered where the recorded gateway had no such thing.
        other: Those whose answer differs deliberately and is no refusal.
        reworded: Those that are asked in other words than recorded, with the reason.
        tolerated: Other values that may differ, each with how many exchanges it may touch.
    """

    recorded: tuple[_Key, ...]
    replayed: dict[_Key, str]
    safer: dict[_Key, str]
    beyond: dict[_Key, str]
    other: dict[_Key, str]
    reworded: dict[_Key, str]
    tolerated: dict[Tolerance, int]

    @property
    def differences(self) -> int:
        """How many exchanges carry a deliberate difference."""
        return len(self.safer.keys() | self.other.keys())

    @property
    def missing(self) -> tuple[_Key, ...]:
        """Recorded, and not asked again."""
        return tuple(key for key in self.recorded if key not in self.replayed)


def coverage(folder: Path) -> Coverage:
    """Read traces and scenarios; every trace file below `folder` counts."""
    recorded = tuple(_recorded(folder))
    replayed: dict[_Key, str] = {}
    marked: dict[str, dict[_Key, str]] = {SAFER: {}, BEYOND: {}}
    other: dict[_Key, str] = {}
    reworded: dict[_Key, str] = {}
    tolerated: dict[Tolerance, int] = defaultdict(int)
    for path in _scenarios(folder):
        scenario = load_scenario(path)
        for step in scenario.step:
            key = (step.trace, step.case)
            replayed[key] = path.stem
            if step.differs:
                other[key] = step.differs
            if step.rewrite:
                reworded[key] = step.why
            for rule in _rules_of(scenario, key):
                mark, _, reason = rule.reason.partition(" ")
                if mark in marked:
                    marked[mark][key] = reason
                else:
                    tolerated[_tolerance(rule)] += 1
    for key in recorded:
        for pattern, test in _ELSEWHERE.items():
            if key not in replayed and fnmatchcase(key[0], pattern):
                replayed[key] = test
    return Coverage(
        recorded, replayed, marked[SAFER], marked[BEYOND], other, reworded, dict(tolerated)
    )


def compatibility_page(folder: Path) -> str:
    """The page in Markdown."""
    found = coverage(folder)
    return "\n".join(
        (
            "# Compatibility",
            "",
            "What was recorded of the Node gateway (release 2026.1.24-3), exchange by exchange,",
            f"and how this gateway answers. `{_TEST}` asks everything again with",
            "every change; what is no question and answer is held by the test that is named.",
            "This page is made from the recordings and the scenarios.",
            "",
            *_summary(found),
            "",
            "## Methods, events and endpoints",
            "",
            "| recorded | exchanges | held | differ deliberately | scenario or test |",
            "|---|---|---|---|---|",
            *_rows(found),
            "",
            "## Refused more safely",
            "",
            "Where the Node gateway would have done it.",
            "",
            *_exchanges(found.safer),
            "",
            "## Other deliberate differences",
            "",
            *_exchanges(found.other),
            "",
            "## More than was recorded",
            "",
            "What the recorded release had no answer for, or cut off, and later releases, the",
            "reference of the API or stock packages want answered. These are apart from the",
            "deliberate differences: nothing that the recorded release did is refused here.",
            "",
            *_exchanges(found.beyond),
            "",
            "## Asked in other words",
            "",
            "What is sent is not what was recorded; the answer is compared all the same.",
            "",
            *_exchanges(found.reworded),
            "",
            "## Recorded and not held",
            "",
            *_listed(f"`{trace}`: {case}" for trace, case in found.missing),
            "",
            "## Values that may differ",
            "",
            "Times, random ids, paths, and what else the recording could not know. How they are",
            "compared: `type` wants the same type, `list` a list of the same types, `kinds` the",
            "same kinds of events in the same order, `present` that it is there, `ignored`",
            "nothing. The number says how many exchanges a line may touch.",
            "",
            "| recorded | case | field | compared | reason | exchanges |",
            "|---|---|---|---|---|---|",
            *_tolerances(found.tolerated),
            "",
        )
    )


def _summary(found: Coverage) -> tuple[str, ...]:
    total, asked = len(found.recorded), sum(key in found.replayed for key in found.recorded)
    differ = f"{found.differences} ({_percent(found.differences, total)})"
    return (
        f"- recorded exchanges: {total}",
        f"- held: {asked} ({_percent(asked, total)})",
        f"- deliberate differences: {differ}, {len(found.safer)} of them refusals that are safer",
        f"- answered beyond the recording: {len(found.beyond)}",
        f"- asked in other words: {len(found.reworded)}",
    )


def _rows(found: Coverage) -> Iterator[str]:
    names = dict.fromkeys(trace for trace, _ in found.recorded)
    for name in names:
        mine = [key for key in found.recorded if key[0] == name]
        asked = [key for key in mine if key in found.replayed]
        where = ", ".join(sorted({found.replayed[key] for key in asked})) or "none"
        differ = sum(key in found.safer or key in found.other for key in mine)
        yield f"| `{name}` | {len(mine)} | {len(asked)} | {differ} | {where} |"


def _tolerances(found: dict[Tolerance, int]) -> Iterator[str]:
    lines = sorted(
        (one.trace, one.case, one.path, one.how, one.reason, count) for one, count in found.items()
    )
    for trace, case, path, how, reason, count in lines:
        yield (
            f"| `{_cell(trace)}` | {_any(case)} | `{_cell(path)}` | {how} | {_cell(reason)} "
            f"| {count} |"
        )


def _any(case: str) -> str:
    return "any" if case == "*" else f"`{_cell(case)}`"


def _tolerance(rule: Rule) -> Tolerance:
    return Tolerance(rule.trace, rule.case, rule.path, rule.how, rule.reason)


def _recorded(folder: Path) -> Iterator[_Key]:
    for path in sorted(folder.rglob("*.json")):
        name = str(path.relative_to(folder).with_suffix("").as_posix())
        for case in load_trace(folder, name).cases:
            yield name, case.case


def _scenarios(folder: Path) -> list[Path]:
    return [folder / "scenario.toml", *sorted((folder / "scenarios").glob("*.toml"))]


def _rules_of(scenario: Scenario, key: _Key) -> Iterator[Rule]:
    trace, case = key
    for rule in scenario.rule:
        if fnmatchcase(trace, rule.trace) and fnmatchcase(case, rule.case):
            yield rule


def _exchanges(found: dict[_Key, str]) -> tuple[str, ...]:
    return _listed(f"`{trace}`, {case}: {why}" for (trace, case), why in found.items())


def _listed(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"- {line}" for line in lines) or ("Nothing.",)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"
