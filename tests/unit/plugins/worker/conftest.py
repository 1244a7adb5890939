"""What tests of the worker change in their own process is put back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from carapace.plugins.frames import WorkerLimits
from carapace.plugins.worker.quirks import set_max_string_bytes


@pytest.fixture(autouse=True)
def usual_size() -> Iterator[None]:
    """A store sets the largest value for its whole process; a worker has one, the tests many."""
    yield
    set_max_string_bytes(WorkerLimits().value_bytes)
