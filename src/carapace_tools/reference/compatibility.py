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

__all__ = ["SAFER", "Coverage", "compatibility_page", "coverage"]

SAFER: Final = "safer:"
"""How the reason of a rule begins that stands for a refusal the Node gateway would not give."""

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
class Coverage:
    """What was recorded and what is asked again.

    Attributes:
        recorded: Every recorded exchange, in order.
        replayed: In which scenario each is asked again, or which test holds it.
        safer: Those that a deliberate refusal makes different, with its reason.
        tolerated: Other reasons why a value may differ, each with how many exchanges it may touch.
    """

    recorded: tuple[_Key, ...]
    replayed: dict[_Key, str]
    safer: dict[_Key, str]
    tolerated: dict[str, int]

    @property
    def missing(self) -> tuple[_Key, ...]:
        """Recorded, and not asked again."""
        return tuple(key for key in self.recorded if key not in self.replayed)


def coverage(folder: Path) -> Coverage:
    """Read traces and scenarios; every trace file below `folder` counts."""
    recorded = tuple(_recorded(folder))
    replayed: dict[_Key, str] = {}
    safer: dict[_Key, str] = {}
    tolerated: dict[str, int] = defaultdict(int)
    for path in _scenarios(folder):
        scenario = load_scenario(path)
        for step in scenario.step:
            key = (step.trace, step.case)
            replayed[key] = path.stem
            for reason in {rule.reason for rule in _rules_of(scenario, key)}:
                if reason.startswith(SAFER):
                    safer[key] = reason.removeprefix(SAFER).strip()
                else:
                    tolerated[reason] += 1
    for key in recorded:
        for pattern, test in _ELSEWHERE.items():
            if key not in replayed and fnmatchcase(key[0], pattern):
                replayed[key] = test
    return Coverage(recorded, replayed, safer, dict(tolerated))


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
            "| recorded | exchanges | held | refused more safely | scenario or test |",
            "|---|---|---|---|---|",
            *_rows(found),
            "",
            "## Refused more safely",
            "",
            "Where the Node gateway would have done it.",
            "",
            *_listed(f"`{trace}`, {case}: {why}" for (trace, case), why in found.safer.items()),
            "",
            "## Recorded and not held",
            "",
            *_listed(f"`{trace}`: {case}" for trace, case in found.missing),
            "",
            "## Values that may differ",
            "",
            "Times, random ids, paths, and what else the recording could not know; the number says",
            "how many exchanges a reason may touch.",
            "",
            "| reason | exchanges |",
            "|---|---|",
            *(f"| {_cell(why)} | {count} |" for why, count in sorted(found.tolerated.items())),
            "",
        )
    )


def _summary(found: Coverage) -> tuple[str, ...]:
    total, asked = len(found.recorded), sum(key in found.replayed for key in found.recorded)
    return (
        f"- recorded exchanges: {total}",
        f"- held: {asked} ({_percent(asked, total)})",
        f"- refused more safely: {len(found.safer)} ({_percent(len(found.safer), total)})",
    )


def _rows(found: Coverage) -> Iterator[str]:
    names = dict.fromkeys(trace for trace, _ in found.recorded)
    for name in names:
        mine = [key for key in found.recorded if key[0] == name]
        asked = [key for key in mine if key in found.replayed]
        where = ", ".join(sorted({found.replayed[key] for key in asked})) or "none"
        safer = sum(key in found.safer for key in mine)
        yield f"| `{name}` | {len(mine)} | {len(asked)} | {safer} | {where} |"


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


def _listed(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"- {line}" for line in lines) or ("Nothing.",)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"
