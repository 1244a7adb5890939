"""Programs that run on a machine of their own: fresh network and mount namespaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

__all__ = ["report_of", "way_in"]

_TESTS = Path(__file__).resolve().parent.parent


@cache
def way_in() -> tuple[str, ...] | None:
    """How this account gets namespaces of its own; None if it cannot."""
    if not all(shutil.which(tool) for tool in ("unshare", "ip", "mount")):
        return None
    for options in (["--net", "--mount"], ["--user", "--map-root-user", "--net", "--mount"]):
        if not subprocess.run(["unshare", *options, "true"], capture_output=True).returncode:  # noqa: PLW1510 - the code is the answer
            return ("unshare", *options)
    return None


def report_of(module: str, *words: str, what: str, timeout_s: int) -> dict[str, Any]:
    """Run a module of `tests` in there; the JSON on its last line.

    Where there are no namespaces the test is skipped, saying that `what` is not tested.
    """
    unshare = way_in()
    if unshare is None:
        pytest.skip(
            f"{what} NOT TESTED: this machine gives no network namespace (needs Linux, "
            "unshare, ip, and root or user namespaces)"
        )
    done = _run(unshare, module, words, timeout_s)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@cache
def _run(
    unshare: tuple[str, ...], module: str, words: tuple[str, ...], timeout_s: int
) -> subprocess.CompletedProcess[str]:
    """Once for all tests of a module, whatever comes of it."""
    return subprocess.run(
        [*unshare, "timeout", str(timeout_s), sys.executable, "-m", module, *words],
        capture_output=True,
        text=True,
        timeout=timeout_s + 30,
        check=False,
        env={**os.environ, "PYTHONPATH": str(_TESTS)},
    )
