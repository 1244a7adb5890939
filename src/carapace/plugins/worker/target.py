"""What compiled code depends on besides the component itself."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from typing import Final

__all__ = ["SETTINGS_GENERATION", "compiled_for"]

SETTINGS_GENERATION: Final = 1
"""Grows whenever `carapace.plugins.worker.engine.new_engine` changes a setting."""


def compiled_for() -> str:
    """A text that differs wherever compiled code does; part of the cache's key.

    The library itself also refuses code for other settings or a lesser processor.

    Raises:
        importlib.metadata.PackageNotFoundError: If the extra `plugins` is not installed.
    """
    version = importlib.metadata.version("wasmtime")
    return f"wasmtime {version}|{SETTINGS_GENERATION}|{sys.platform}|{platform.machine()}"
