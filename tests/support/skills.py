"""Skill folders and a shelf over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from carapace.agent.skills.credentials import SkillSecrets
from carapace.agent.skills.programs import Programs
from carapace.agent.skills.shelf import SkillShelf
from carapace.clock import Clock
from carapace.config.settings.skills import SkillsSettings
from support.auth import MemoryVault

__all__ = ["make_program", "make_shelf", "write_skill"]


def write_skill(
    root: Path, name: str, block: dict[str, Any] | None = None, *, body: str = "Do it well."
) -> Path:
    """A skill folder; `block` is what its metadata says for the gateway."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    metadata = json.dumps({"openclaw": block or {}})
    text = f"---\nname: {name}\ndescription: Does {name}.\nmetadata: {metadata}\n---\n{body}\n"
    (folder / "SKILL.md").write_text(text, "utf-8")
    return folder


def make_program(folder: Path, name: str, script: str = "exit 0") -> Path:
    """A program that can be found in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def make_shelf(
    folder: Path,
    clock: Clock,
    *,
    settings: SkillsSettings | None = None,
    environment: Mapping[str, str] | None = None,
    config: Any = None,
    vault: MemoryVault | None = None,
    add_secret: Callable[[str], None] = lambda _: None,
) -> SkillShelf:
    """A shelf with its managed root in `folder/managed` and its programs in `folder/bin`."""
    return SkillShelf(
        lambda: settings or SkillsSettings(),
        managed_dir=folder / "managed",
        programs=Programs(str(folder / "bin"), clock),
        secrets=SkillSecrets(vault or MemoryVault()),
        environment=lambda: environment or {},
        config=lambda: config,
        system="linux",
        add_secret=add_secret,
    )
