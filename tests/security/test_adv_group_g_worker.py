"""Advisories of group G that concern the process of a plugin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from carapace.plugins.errors import GuestError
from carapace.plugins.worker.engine import compile_component, new_engine
from carapace.plugins.worker.interfaces import imports_of
from support.guests import wasm

CONTRACT = (Path(__file__).parents[2] / "wit" / "plugin.wit").read_text("utf-8")
INTERFACES = sorted(set(re.findall(r"^\s*import ([a-z-]+);", CONTRACT, re.MULTILINE)))


def test_adv_g17_the_contract_offers_nothing_that_starts_a_program():
    assert INTERFACES
    named = set(re.findall(r"[a-z][a-z0-9-]+(?=: func)", CONTRACT)) | set(INTERFACES)
    for word in ("exec", "spawn", "process", "shell", "command", "eval", "fork", "system"):
        assert not [name for name in named if word in name.split("-")], word


@pytest.mark.parametrize(
    "name",
    [
        "carapace:plugin/exec@1.0.0",
        "carapace:plugin/process@1.0.0",
        "wasi:process/exec@0.2.0",
        "wasi:cli/command@0.3.0",
        "env:host/system",
    ],
)
def test_adv_g17_an_import_that_would_run_commands_is_refused_even_with_every_permission(
    name: str,
):
    engine = new_engine()
    component = compile_component(
        engine, wasm(f'(component (import "{name}" (instance (export "run" (func)))))')
    )
    with pytest.raises(GuestError, match=re.escape(name)) as caught:
        imports_of(engine, component, INTERFACES, ("tool",))
    assert caught.value.code == "IMPORT_REFUSED"
