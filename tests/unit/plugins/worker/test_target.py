from __future__ import annotations

import importlib.metadata
import platform

from carapace.plugins.worker import target


def test_compiled_code_is_for_one_version_one_setup_and_one_kind_of_machine(monkeypatch):
    said = target.compiled_for()
    assert importlib.metadata.version("wasmtime") in said
    assert platform.machine() in said
    monkeypatch.setattr(target, "SETTINGS_GENERATION", target.SETTINGS_GENERATION + 1)
    assert target.compiled_for() != said
