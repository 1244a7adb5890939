"""The memory of a component is kept as `settle` leaves it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from carapace.plugins.sdk.contract import guest_library

pytestmark = pytest.mark.slow  # each starts a Python: nothing of it can be undone

PROGRAM = """
import gc, json, os, random
from carapace_plugin.guest import settle
settle()
wanted = []
real = os.urandom
os.urandom = lambda size: wanted.append(size) or real(size)
def drawn(*seed):
    random.seed(*seed)
    return random.random()
print(json.dumps({
    "frozen": gc.get_freeze_count(),
    "same": [drawn(5), drawn(5), random.Random(5).random()],
    "wanted_before": list(wanted),
    "own": [drawn(), drawn(None)],
    "wanted": wanted,
}))
"""


@pytest.fixture(scope="module")
def settled() -> dict[str, object]:
    environment = {**os.environ, "PYTHONPATH": str(guest_library())}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_seed_that_is_given_counts_as_ever(settled):
    first, again, another = settled["same"]
    assert first == again == another
    assert settled["wanted_before"] == []


def test_a_new_seed_is_drawn_at_once_and_differs(settled):
    assert settled["wanted"] == [32, 32]
    assert settled["own"][0] != settled["own"][1]


def test_the_collector_leaves_alone_what_is_kept(settled):
    assert settled["frozen"] > 1000
