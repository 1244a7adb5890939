"""Where the contract and the guest library lie: in the installed package, or in a checkout."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

from carapace.errors import Failed
from carapace.plugins.sdk.wit.syntax import Package, parse

__all__ = ["contract", "contract_path", "guest_library", "testing"]

_PACKAGE: Final = Path(__file__).resolve().parents[2]
_CHECKOUT: Final = _PACKAGE.parents[1]


def contract_path() -> Path:
    """The file `plugin.wit`.

    Raises:
        Failed: If the installation lacks it.
    """
    return _first(_PACKAGE / "wit" / "plugin.wit", _CHECKOUT / "wit" / "plugin.wit")


@cache
def contract() -> Package:
    """The contract that this version speaks.

    Raises:
        Failed: If the installation lacks it.
    """
    return parse(contract_path().read_text("utf-8"))


def guest_library() -> Path:
    """The folder from which guests import `carapace_plugin`.

    Raises:
        Failed: If the installation lacks it.
    """
    found = importlib.util.find_spec("carapace_plugin")
    if found is not None and found.origin is not None:
        return Path(found.origin).parents[1]
    return _first(_CHECKOUT / "sdk" / "python" / "carapace_plugin").parent


def testing() -> ModuleType:
    """`carapace_plugin.testing`, from wherever the guest library lies."""
    library = str(guest_library())
    if library not in sys.path:
        sys.path.append(library)
    return importlib.import_module("carapace_plugin.testing")


def _first(*places: Path) -> Path:
    for place in places:
        if place.exists():
            return place
    raise Failed(
        f"{places[-1].name} is not part of this installation: what plugins are built from is "
        "missing. Install carapace-gateway again."
    )
