"""A gateway under mixed load for hours: memory stays, no task and no file descriptor is left.

python bench/soak.py [--minutes 120]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chat_peers import webhook_settings
from soak_load import HOOK_TOKEN, BadCallback, Load
from soak_watch import Growth, Sample, chart, growth, left_behind, sample

from peers import Peer, carapace, free_port, model_server

__all__ = ["Verdict", "soak"]

WARM_S: Final = 40.0
MAX_QUIET_S: Final = 90.0
_SEED: Final = 20_261_122
_CALM: Final = 3


@dataclass(frozen=True)
class Verdict:
    """What came of it."""

    samples: list[Sample]
    before: Sample
    after: Sample
    grown: Growth
    left: list[str]
    done: dict[str, int]
    answers: dict[str, int]
    log: str

    @property
    def is_good(self) -> bool:
        """Nothing grew, nothing stayed."""
        return not self.grown.is_leak and not self.left

    def __str__(self) -> str:
        lines = [chart(self.samples), f"memory: {self.grown.text}"]
        for name in ("fds", "tasks", "threads", "outbox", "database_mb"):
            values = [getattr(one, name) for one in self.samples]
            lines.append(
                f"{name}: before {getattr(self.before, name):g}, under load {min(values):g} to "
                f"{max(values):g}, after {getattr(self.after, name):g}"
            )
        lines += [f"load: {self.done}", f"callback: {self.answers}"]
        lines += [f"LEFT BEHIND {one}" for one in self.left]
        if self.grown.is_leak:
            lines.append("MEMORY GROWS")
        lines.append("good" if self.is_good else "NOT good")
        return "\n".join(lines)


async def soak(home: Path, minutes: float, *, share: float = 1.0) -> Verdict:
    """Warm up, note what there is, load it, wait until it is quiet, compare.

    With a `share` below 1 so many of the people come: for a machine that has other things to do.
    """
    callback, metrics_port = BadCallback(_SEED), free_port()
    await callback.server.start()
    model = model_server(home)
    peer = carapace(home / "gateway", model.port)
    config = home / "gateway" / "carapace.json"
    _configure(config, metrics_port, callback.server.port)
    database = home / "gateway" / "state" / "carapace.db"

    async def look() -> Sample:
        return await sample(peer.pid, metrics_port, database)

    try:
        await asyncio.to_thread(model.start)
        await asyncio.to_thread(peer.start)
        load = Load(peer, config, _SEED, share=share)
        await load.run(WARM_S)
        before = await _quiet(look, None)
        samples = await _watched(load, look, 60 * minutes)
        callback.is_good = True
        after = await _quiet(look, before)
        log = _log(peer)
    finally:
        await asyncio.to_thread(peer.stop)
        await asyncio.to_thread(model.stop)
        callback.server.stop()
    return Verdict(
        samples=samples,
        before=before,
        after=after,
        grown=growth(samples),
        left=left_behind(before, after),
        done=dict(load.done),
        answers=dict(callback.seen),
        log=log,
    )


def _configure(config: Path, metrics_port: int, callback_port: int) -> None:
    found: dict[str, Any] = json.loads(config.read_text())
    found["gateway"]["reload"] = {"mode": "hot"}
    found["channels"] = webhook_settings(f"http://127.0.0.1:{callback_port}/")
    found["metrics"] = {"enabled": True, "port": metrics_port}
    found["hooks"] = {"enabled": True, "token": HOOK_TOKEN}
    # Small, so that conversations are as long as they get within minutes.
    found["models"]["providers"]["fake"]["models"][0] |= {"contextWindow": 8_000, "maxTokens": 512}
    config.write_text(json.dumps(found))


async def _watched(load: Load, look: Any, seconds: float) -> list[Sample]:
    """Samples of the time under load."""
    samples: list[Sample] = []
    pause_s = min(10.0, max(1.0, seconds / 300))

    async def watch() -> None:
        while True:
            samples.append(await look())
            await asyncio.sleep(pause_s)

    task = asyncio.get_running_loop().create_task(watch())
    try:
        await load.run(seconds)
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return samples


async def _quiet(look: Any, before: Sample | None) -> Sample:
    """The gateway once nobody uses it: when three looks agree and nothing is more than before."""
    began, same, last = time.monotonic(), 0, await look()
    while time.monotonic() - began < MAX_QUIET_S:
        await asyncio.sleep(2)
        now = await look()
        is_same = (now.fds, now.tasks, now.outbox) == (last.fds, last.tasks, last.outbox)
        same, last = same + 1 if is_same else 0, now
        if same >= _CALM and (before is None or not left_behind(before, now)):
            break
    return last


def _log(peer: Peer) -> str:
    path = Path(peer.env["HOME"]) / f"{peer.name}.log"
    return path.read_text("utf-8", errors="replace")[-4000:]


def main() -> int:
    """Run it; 1 if something grew or stayed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--share", type=float, default=1.0, help="how many of the people come")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="carapace-soak-") as folder:
        verdict = asyncio.run(soak(Path(folder), options.minutes, share=options.share))
        if not verdict.is_good:
            print(verdict.log)
    print(verdict)
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
