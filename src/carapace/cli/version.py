"""`cara version`."""

from __future__ import annotations

import platform
import sqlite3
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Final

from carapace import __version__
from carapace.cli.options import DEFAULT_PLACE, Place
from carapace.cli.output import as_json
from carapace.protocol.connect import PROTOCOLS

__all__ = ["version"]

_EXTRAS: Final = ("xllamacpp", "openai", "anthropic", "uvloop")


def version(*, place: Place = DEFAULT_PLACE) -> None:
    """Versions of everything that matters."""
    found = {
        "carapace": __version__,
        "protocol": ", ".join(map(str, PROTOCOLS)),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "platform": f"{sys.platform} {platform.machine()}",
        **{name: _installed(name) for name in _EXTRAS},
    }
    if place.json:
        as_json(found)
        return
    for name, value in found.items():
        print(f"{name:<14}{value or 'not installed'}")


def _installed(name: str) -> str | None:
    try:
        return installed(name)
    except PackageNotFoundError:
        return None
