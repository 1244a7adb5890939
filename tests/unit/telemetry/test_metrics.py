"""Every metric is declared once, used somewhere, and never shared between gateways."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import carapace
from carapace.telemetry.exposition import render
from carapace.telemetry.metrics import Metrics

SELF_CONTAINED = {"registry", "build_info"}
"""What the constructor itself fills."""


def declared() -> set[str]:
    return set(inspect.get_annotations(Metrics)) - SELF_CONTAINED


def test_every_metric_is_used_outside_its_declaration():
    used: set[str] = set()
    for path in Path(carapace.__file__).parent.rglob("*.py"):
        if path.name == "metrics.py" and path.parent.name == "telemetry":
            continue
        used |= {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
        }
    unused = declared() - used
    assert not unused


def test_every_attribute_is_made_and_named_for_the_gateway():
    metrics = Metrics("1.2.3", with_process=False)
    assert all(hasattr(metrics, name) for name in declared())
    names = [family.name for family in metrics.registry.collect()]
    assert names
    assert all(re.fullmatch(r"carapace_[a-z0-9_]+", name) for name in names)
    assert all(family.documentation.endswith(".") for family in metrics.registry.collect())


def test_the_version_is_exported():
    assert b'version="1.2.3"' in render(Metrics("1.2.3", with_process=False))[0]


def test_two_gateways_in_one_process_do_not_meet():
    one, two = Metrics("1", with_process=False), Metrics("1", with_process=False)
    one.loop_lag.observe(1)
    assert b"carapace_event_loop_lag_seconds_count 1.0" in render(one)[0]
    assert b"carapace_event_loop_lag_seconds_count 0.0" in render(two)[0]


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_the_process_is_exported_when_wanted():
    assert b"carapace_process_start_time_seconds" in render(Metrics("1"))[0]


@pytest.mark.slow
def test_the_library_is_not_imported_before_it_is_needed():
    script = "import sys, carapace.telemetry.metrics; assert 'prometheus_client' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
