"""`cara doctor`."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from carapace.cli.checks import CHECKS, Finding, examine
from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import as_json, show
from carapace.cli.target import paths_of

__all__ = ["doctor"]

_MARKS = {"ok": "ok  ", "warn": "warn", "bad": "BAD "}


def doctor(
    *,
    fix: Annotated[bool, Parameter(negative="")] = False,
    yes: Annotated[bool, Parameter(alias="-y", negative="")] = False,
    remote: Remote = DEFAULT_REMOTE,
) -> int:
    """Find what is broken, and mend it with --fix.

    Looks at Python, the clock, the configuration, the state folder and its permissions, the
    disk, the database, the audit trail, the vault, the models, the running gateway, and its
    plugins.
    Exits with 1 if something is bad.

    Parameters
    ----------
    fix
        Mend what can be mended; asks before each change.
    yes
        With --fix: do not ask.
    """
    patient = examine(paths_of(remote), remote)
    findings: list[Finding] = []
    done: dict[int, str] = {}
    for check in CHECKS:
        for finding in check(patient):
            if not remote.json:
                _show(finding)
            if fix and finding.fix is not None and (yes or _agrees(finding)):
                done[len(findings)] = finding.fix()
                if not remote.json:
                    show(f"      mended: {done[len(findings)]}")
            findings.append(finding)
    if remote.json:
        as_json({"findings": [_row(finding, done.get(at)) for at, finding in enumerate(findings)]})
    bad = [at for at, finding in enumerate(findings) if finding.state == "bad" and at not in done]
    return 1 if bad else 0


def _show(finding: Finding) -> None:
    show(f"{_MARKS[finding.state]}  {finding.name}: {finding.text}")
    if finding.next_step and finding.state != "ok":
        show(f"      next: {finding.next_step}")


def _row(finding: Finding, mended: str | None) -> dict[str, str | None]:
    return {
        "name": finding.name,
        "state": finding.state,
        "text": finding.text,
        "next": finding.next_step,
        "mended": mended,
    }


def _agrees(finding: Finding) -> bool:
    """Ask before a change; without a terminal to ask on, nothing is changed."""
    if not sys.stdin.isatty():
        show("      not mended: confirm with --yes")
        return False
    return input(f"      Mend this ({finding.name})? [y/N] ").strip().lower() in {"y", "yes"}
