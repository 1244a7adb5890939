"""Every namespace is in, and none twice."""

from __future__ import annotations

import importlib
import pkgutil

import carapace.methods
from carapace.app.all_methods import METHODS
from carapace.protocol.registry import Methods


def test_every_namespace_of_methods_is_merged():
    found = {
        name
        for module in pkgutil.iter_modules(carapace.methods.__path__)
        for name in getattr(
            importlib.import_module(f"carapace.methods.{module.name}"), "METHODS", Methods()
        )
    }
    assert found == set(METHODS)
