"""Where the configuration file and the state folder are.

Order: a flag, `CARAPACE_CONFIG_PATH` / `CARAPACE_STATE_DIR` or one of their aliases, the
default `~/.carapace`. One folder holds everything; it is made with mode 0700.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from carapace.config.environment import lookup
from carapace.config.issue import Issue
from carapace.errors import Refused
from carapace.value import Value

__all__ = ["CONFIG_NAME", "STATE_NAME", "PathFlags", "Paths", "resolve_paths"]

CONFIG_NAME: Final = "carapace.json"
STATE_NAME: Final = ".carapace"


class PathFlags(Value, frozen=True):
    """What the command line says about paths."""

    config: str | None = None
    state_dir: str | None = None


class Paths(Value, frozen=True):
    """Absolute paths, and what was odd about how they were given."""

    config_path: Path
    state_dir: Path
    warnings: tuple[Issue, ...] = ()

    @property
    def last_good(self) -> Path:
        """The copy of the last configuration that worked."""
        return self.state_dir / "config.last-good.json"

    @property
    def workspace(self) -> Path:
        """The workspace of agents that name none."""
        return self.state_dir / "workspace"

    def make_state_dir(self) -> None:
        """Create the state folder, for its owner alone.

        Raises:
            Refused: If there can be none.
        """
        try:
            self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Refused(
                f"the state folder {self.state_dir} cannot be made ({error.strerror}): choose "
                "another with --state-dir or CARAPACE_STATE_DIR"
            ) from error


def resolve_paths(environment: Mapping[str, str], flags: PathFlags | None = None) -> Paths:
    """Decide both paths; nothing is created or read."""
    flags = flags or PathFlags()
    home = Path(environment.get("HOME") or Path.home())
    warnings: list[Issue] = []
    state = flags.state_dir or _variable(environment, "STATE_DIR", warnings)
    state_dir = _absolute(state, home) if state else home / STATE_NAME
    config = flags.config or _variable(environment, "CONFIG_PATH", warnings)
    config_path = _absolute(config, home) if config else state_dir / CONFIG_NAME
    return Paths(config_path, state_dir, tuple(warnings))


def _variable(environment: Mapping[str, str], suffix: str, warnings: list[Issue]) -> str | None:
    value, name, others = lookup(environment, suffix)
    if others:
        said = f"{name} differs from {', '.join(others)}; {name} is used. Unset the others."
        warnings.append(Issue("", said))
    return value


def _absolute(text: str, home: Path) -> Path:
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    return Path(os.path.abspath(text))  # noqa: PTH100 - Path.absolute keeps `..`
