"""The whole object graph, built as the gateway builds it, without listening."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from carapace.app.observing import Observing
from carapace.app.parts import Parts, build
from carapace.clock import SystemClock
from carapace.config.load import Overrides
from carapace.config.paths import PathFlags, resolve_paths
from carapace.config.service import ConfigService

__all__ = ["built"]


async def built(folder: Path, stack: AsyncExitStack, text: str = "{}") -> Parts:
    """Everything, from a configuration file with `text`; closed with `stack`."""
    (folder / "c.json").write_text(text)
    flags = PathFlags(config=str(folder / "c.json"), state_dir=str(folder / "state"))
    paths = resolve_paths({}, flags)
    paths.make_state_dir()
    config = ConfigService(paths, Overrides({}, {}, {}))
    observing = Observing.build(paths, config.settings.logging, SystemClock())
    stack.callback(observing.close)
    return await build(
        config,
        observing,
        environment={"HOME": str(folder)},
        clock=SystemClock(),
        stack=stack,
    )
