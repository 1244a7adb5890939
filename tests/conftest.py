"""What all tests share: how hypothesis judges them, and in which order they are run."""

from __future__ import annotations

import os
import signal
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

# How fast this machine draws examples is not a fact about the product, and it changes with
# whatever else the machine does.
_STEADY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# The same examples in every run, so that a run that fails fails again; `just explore` draws others.
settings.register_profile("steady", _STEADY, derandomize=True)
settings.register_profile("explore", _STEADY, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

# A shell that starts this in the background has it ignore Ctrl-C, and programs pass that on. The
# programs under test must not inherit it: some tests interrupt them.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A minute or more by themselves. One that begins last leaves the other worker with nothing to do.
_LONGEST: Final = (
    "test_soak.py",
    "test_hostile_gateway.py",
    "test_kill.py",
    "test_stock_commands.py",
    "test_control_ui.py",
    "test_write_a_plugin.py",
    "test_stock_cli.py",
    "test_cron.py",
    "test_plugin_upgrade_matrix.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; everything else stays where it is."""
    place = {name: at for at, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(_LONGEST)))
