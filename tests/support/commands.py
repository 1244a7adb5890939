"""Commands of agents for tests: a workspace, a state folder, and looks at what would run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carapace.agent.exec.environment import child_environment
from carapace.agent.exec.keeping import Fence, Kept, run
from carapace.agent.exec.looking import Look, look_at
from carapace.agent.exec.types import Command

__all__ = ["Yard", "script"]


@dataclass
class Yard:
    """A workspace beside a state folder.

    Attributes:
        base: Holds both.
        env: Of every command.
        fence: What commands reach; the real one.
    """

    base: Path
    env: dict[str, str] = field(default_factory=lambda: child_environment({"LANG": "C.UTF-8"}))
    is_fenced: bool = True
    network: bool = False
    readable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.private.mkdir(parents=True, exist_ok=True)

    @property
    def root(self) -> Path:
        return self.base / "workspace"

    @property
    def state(self) -> Path:
        return self.base / "state"

    @property
    def private(self) -> Path:
        return self.state / "exec"

    @property
    def fence(self) -> Fence:
        return Fence(
            is_on=self.is_fenced,
            workspace=Path(os.path.realpath(self.root)),
            readable=self.readable,
            network=self.network,
        )

    @property
    def look(self) -> Look:
        return Look(
            root=self.root,
            state_dir=self.state,
            home=None,
            env=self.env,
            fence=self.fence.text,
        )

    def command(self, argv: Sequence[str], workdir: str | None = None) -> Command:
        """What would run; nothing is held open."""
        opened = look_at(argv, workdir, self.look)
        opened.close()
        return opened.command

    async def run(self, argv: Sequence[str], *, timeout_s: float = 20.0) -> Kept:
        """Run it to its end."""
        kept = Kept()
        opened = look_at(argv, None, self.look)
        await run(opened, self.fence, kept, timeout_s=timeout_s, folder=self.private)
        return kept


def script(path: Path, text: str = "#!/bin/sh\necho hi\n") -> Path:
    """A program made of text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path
