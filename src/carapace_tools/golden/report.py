"""A replay's verdict: a line per method, every difference, every relaxation with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from carapace_tools.golden.replay import Outcome

__all__ = ["as_json", "as_text", "is_clean"]


def is_clean(outcomes: Sequence[Outcome]) -> bool:
    """Whether every exchange matched."""
    return all(outcome.comparison.is_match for outcome in outcomes)


def as_text(outcomes: Sequence[Outcome], *, verbose: bool = False) -> str:
    """For people."""
    lines = [f"{'method':24} {'exchanges':>9} {'matched':>8} {'values':>7} {'relaxed':>8}"]
    for method in sorted({outcome.method for outcome in outcomes}):
        mine = [outcome for outcome in outcomes if outcome.method == method]
        matched = sum(outcome.comparison.is_match for outcome in mine)
        checked = sum(outcome.comparison.checked for outcome in mine)
        relaxed = sum(len(outcome.comparison.relaxed) for outcome in mine)
        lines.append(f"{method:24} {len(mine):>9} {matched:>8} {checked:>7} {relaxed:>8}")
    for outcome in outcomes:
        lines += _differences(outcome)
    if verbose:
        lines += _reasons(outcomes)
    total = sum(outcome.comparison.is_match for outcome in outcomes)
    lines.append(f"{total} of {len(outcomes)} exchanges match")
    return "\n".join(lines)


def as_json(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """For programs."""
    return {
        "exchanges": len(outcomes),
        "matched": sum(outcome.comparison.is_match for outcome in outcomes),
        "cases": [
            {
                "method": outcome.method,
                "case": outcome.case,
                "matches": outcome.comparison.is_match,
                "rewritten": outcome.rewritten,
                "relaxed": outcome.comparison.relaxed,
                "extra": outcome.comparison.extra,
                "differences": [
                    {"path": d.path, "expected": d.expected, "found": d.found}
                    for d in outcome.comparison.differences
                ],
            }
            for outcome in outcomes
        ],
    }


def _differences(outcome: Outcome) -> list[str]:
    if outcome.comparison.is_match:
        return []
    lines = [f"DIFFERS {outcome.case}"]
    for difference in outcome.comparison.differences:
        lines.append(f"    {difference.path}")
        lines.append(f"        recorded: {difference.expected}")
        lines.append(f"        found:    {difference.found}")
    return lines


def _reasons(outcomes: Sequence[Outcome]) -> list[str]:
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts.update(outcome.comparison.relaxed.values())
    return [f"{count:>6} x {reason}" for reason, count in counts.most_common()]
