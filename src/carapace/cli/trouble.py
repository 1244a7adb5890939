"""What a command says when it cannot do its work: what, why, next step."""

from __future__ import annotations

import sys
from typing import Final

import msgspec

from carapace.telemetry.redact import strip_controls

__all__ = ["CONFIGURATION", "FAILURE", "INTERRUPTED", "USAGE", "Trouble", "tell"]

FAILURE: Final = 1
USAGE: Final = 2
CONFIGURATION: Final = 78
"""EX_CONFIG of sysexits.h."""
INTERRUPTED: Final = 130


class Trouble(Exception):  # noqa: N818 - an outcome that is told, not a defect
    """A command ends here.

    Args:
        what: What did not happen.
        why: The reason, if it is not plain from `what`.
        next_step: What the person can do.
        exit_code: Of the process.
    """

    def __init__(
        self,
        what: str,
        *,
        why: str | None = None,
        next_step: str | None = None,
        exit_code: int = FAILURE,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_step = next_step
        self.exit_code = exit_code


def tell(trouble: Trouble, *, as_json: bool) -> None:
    """Write `trouble` to standard error, for people or for programs."""
    if as_json:
        fields = {"what": trouble.what, "why": trouble.why, "next": trouble.next_step}
        present = {name: text for name, text in fields.items() if text}
        print(msgspec.json.encode({"error": present}).decode(), file=sys.stderr)
        return
    lines = [f"error: {trouble.what}"]
    if trouble.why:
        lines.append(f"  why:  {trouble.why}")
    if trouble.next_step:
        lines.append(f"  next: {trouble.next_step}")
    print(strip_controls("\n".join(lines)), file=sys.stderr)
