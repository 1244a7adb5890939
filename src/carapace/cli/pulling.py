"""Fetching model weights with a progress bar; shared by `model` and `up`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from carapace.agent.weights.index import find_index, run_pip
from carapace.agent.weights.library import InstalledModel, Library
from carapace.agent.weights.progress import Progress, Report
from carapace.agent.weights.pull import Puller
from carapace.agent.weights.sources import Hub, Mirror
from carapace.agent.weights.speech import SPEECH_NAME, SpeechModel
from carapace.cli.output import megabytes
from carapace.cli.target import load_config
from carapace.clock import SystemClock
from carapace.config.paths import Paths
from carapace.net.client import Egress
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor, strip_controls

__all__ = ["CLI_AUDIT", "library_of", "pull_model", "pull_speech"]

CLI_AUDIT: Final = "audit/cli"
"""A trail of its own: a running gateway's must have one writer."""


def library_of(paths: Paths, folder: str | None = None) -> Library:
    """The models of a state folder, or those in a folder of their own."""
    return Library(Path(folder).expanduser() if folder else paths.state_dir / "models")


def pull_model(paths: Paths, name: str, folder: str | None = None) -> InstalledModel:
    """Fetch `name` and show how far it is; a second call goes on where one was broken off.

    Args:
        paths: Of the gateway; the audit trail of the download is kept there.
        name: As in the manifest, an https address of a GGUF file, or a file.
        folder: Where to, instead of the state folder.

    Raises:
        Refused: If there is no such model.
        Failed: If it cannot be had.
    """
    with _puller(paths, library_of(paths, folder)) as puller, _progress(Path(name).name) as report:
        return asyncio.run(puller.pull(name, report))


def pull_speech(paths: Paths, folder: str | None = None) -> Path:
    """Fetch the model that turns speech into text; its folder. As `pull_model`."""
    model = SpeechModel(library_of(paths, folder).folder)
    with _puller(paths, Library(model.store)) as puller, _progress(SPEECH_NAME) as report:
        return asyncio.run(model.pull(puller, report))


@contextmanager
def _puller(paths: Paths, library: Library) -> Generator[Puller]:
    """A puller into `library`, with the trail of its downloads."""
    paths.make_state_dir()
    clock = SystemClock()
    audit = Audit(paths.state_dir / CLI_AUDIT, clock=clock, redactor=Redactor())
    settings = load_config(paths).settings
    egress = Egress(audit, settings=None if settings is None else settings.net)
    sources = (Hub(egress), Mirror(egress, lambda: find_index(os.environ, run_pip)))
    try:
        yield Puller(library, egress, sources, clock=clock)
    finally:
        audit.close()


@contextmanager
def _progress(name: str) -> Generator[Report]:
    if not sys.stderr.isatty():
        yield _Lines(name).take
        return
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second, for terminals only
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"model {name}", total=None)

        def take(now: Progress) -> None:
            if now.note:
                bar.console.print(
                    strip_controls(now.note), markup=False, highlight=False, soft_wrap=True
                )
            bar.update(
                task,
                completed=now.done_bytes,
                total=now.total_bytes,
                description=f"model {name}: {now.stage}",
            )

        yield take


class _Lines:
    """Progress for logs and pipes: a line for each tenth."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last: tuple[str, int] = ("", -1)

    def take(self, now: Progress) -> None:
        """Print if there is news."""
        if now.note:
            print(strip_controls(now.note), file=sys.stderr, flush=True)
        tenth = now.done_bytes * 10 // now.total_bytes if now.total_bytes else 0
        if (now.stage, tenth) == self._last:
            return
        self._last = (now.stage, tenth)
        total = f" of {megabytes(now.total_bytes)}" if now.total_bytes else ""
        print(
            f"model {self._name}: {now.stage}, {megabytes(now.done_bytes)}{total}",
            file=sys.stderr,
            flush=True,
        )
