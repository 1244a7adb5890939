"""What the gateway would write into its log, set up as the program does it.

Our loggers do not pass through the standard library's `logging`, so pytest's `caplog` never
sees their lines.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from typing import Any

from carapace.telemetry import log as telemetry
from carapace.telemetry.log import LogOptions, configure

__all__ = ["log_lines"]

_GENERATIONS = count(1_000_000, 1_000)


@contextmanager
def log_lines() -> Generator[list[dict[str, Any]]]:
    """Every line from `debug` on, of ours and of libraries; no secret is known to the redactor."""
    state, root = telemetry._state, logging.getLogger()
    handlers, level = list(root.handlers), root.level
    telemetry._state = telemetry._State()
    # Loggers keep what they are bound to until this number changes: each block has its own.
    telemetry._state.generation = next(_GENERATIONS)
    found: list[dict[str, Any]] = []
    configure(
        LogOptions(
            level="debug",
            outlets=(lambda line: found.append(json.loads(line)),),
            stream=io.StringIO(),
        )
    )
    try:
        yield found
    finally:
        telemetry._state = state
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)
