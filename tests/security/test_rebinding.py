"""Names that change their address under a real resolver (advisory F03), on a machine of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from support import rebinding

pytestmark = pytest.mark.slow


@cache
def way_in() -> tuple[str, ...] | None:
    """How this account gets namespaces of its own; None if it cannot."""
    if not all(shutil.which(tool) for tool in ("unshare", "ip", "mount")):
        return None
    for options in (["--net", "--mount"], ["--user", "--map-root-user", "--net", "--mount"]):
        if not subprocess.run(["unshare", *options, "true"], capture_output=True).returncode:  # noqa: PLW1510 - the code is the answer
            return ("unshare", *options)
    return None


def report() -> dict:
    """What was reached; the world runs once, whatever comes of it."""
    unshare = way_in()
    if unshare is None:
        pytest.skip(
            "REBINDING IS NOT TESTED: this machine gives no network namespace (needs Linux, "
            "unshare, ip, and root or user namespaces)"
        )
    done = run(unshare)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@cache
def run(unshare: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    program = Path(rebinding.__file__)
    environment = {**os.environ, "PYTHONPATH": str(program.parent.parent)}
    return subprocess.run(
        [*unshare, "timeout", "60", sys.executable, str(program)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env=environment,
    )


def test_the_world_works_or_nothing_is_proven():
    """A steady name is reached each time, and every name was really looked up, again and again."""
    found = report()
    assert set(found["outcomes"]["steady"]) == {"200"}
    assert found["reached"]["public"] >= 4 * rebinding.ROUNDS
    assert all(asked >= rebinding.ROUNDS for asked in found["asked"].values())


def test_loopback_is_never_reached():
    assert "secret" not in report()["reached"]


@pytest.mark.parametrize("name", ["both", "six", "mapped", "alias"])
def test_a_name_with_a_bad_address_is_refused_each_time(name):
    assert set(report()["outcomes"][name]) == {"refused"}


@pytest.mark.parametrize("name", ["flip", "flop"])
def test_a_name_that_changes_its_mind_reaches_the_public_address_or_is_refused(name):
    """Both happen: the public answer is dialled as it was checked, the other one never."""
    assert set(report()["outcomes"][name]) == {"200", "refused"}
