"""What a plugin costs: calls through its worker, starting it, memory, many at once.

python bench/plugins.py [--write bench/PLUGINS.md]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from carapace.errors import GatewayError
from carapace.plugins.host.service import WorkerHost
from carapace.plugins.sdk.build import build
from carapace.plugins.sdk.local_host import loaded, local_host
from carapace.plugins.sdk.project import Project, open_project

PLUGINS: Final = Path(__file__).parents[1] / "plugins"
COMPUTING: Final = Path(__file__).parent / "computing"
"""The same plugins with a tool that asks the gateway for nothing."""
LANGUAGES: Final = ("python", "js", "c")
CALLS: Final = 500
CROWD, TOGETHER, WAVES = 10, 100, 10
IDLE_S: Final = 2.0
TICK_S: Final = 0.002
P50_MS: Final = {"python": 3.0, "js": 1.5, "c": 1.5}
START_MS, MEMORY_MB, LAG_MS = 300.0, 30.0, 20.0


@dataclass(frozen=True)
class Cost:
    """Of one plugin, in milliseconds and megabytes."""

    language: str
    compiled_ms: float
    start_ms: float
    calls_ms: list[float]
    private_mb: float
    computing_ms: list[float]


class Kv:
    """The one capability that the hello plugins change; kept in memory, answered at once."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    async def call(self, function: str, arguments: list[Any]) -> Any:
        """Get or put."""
        key = arguments[0]
        if function == "put":
            self._values[key] = arguments[1]
            return 1
        value = self._values.get(key)
        return None if value is None else {"key": key, "value": value, "revision": 1}


async def nothing(_function: str, _arguments: list[Any]) -> None:
    """`log`, and a `config` that has nothing."""


def quantile(values: list[float], part: float) -> float:
    """The value that `part` of the others do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def project(
    language: str, folder: Path, plugin_id: str | None = None, *, only_computes: bool = False
) -> Project:
    """A built copy of a hello plugin, under an id of its own if one is given."""
    source = PLUGINS / f"hello-{language}"
    target = folder / (plugin_id or source.name)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("build"))
    if plugin_id is not None:
        manifest = target / "plugin.toml"
        manifest.write_text(manifest.read_text().replace(source.name, plugin_id, 1))
    if only_computes:
        main = open_project(target).main
        shutil.copyfile(COMPUTING / main.name, main)
    made = open_project(target)
    build(made)
    return made


async def greet(host: WorkerHost, plugin_id: str) -> float:
    """One call of the tool; milliseconds."""
    began = time.perf_counter()
    await host.call(plugin_id, "tool", "invoke", "greet", '{"name": "Ada"}')
    return 1000 * (time.perf_counter() - began)


async def cost(language: str, folder: Path) -> Cost:
    """Of the hello plugin in that language."""
    made = await asyncio.to_thread(project, language, folder)
    capabilities = {"kv": Kv().call, "log": nothing, "config": nothing}
    plugin = loaded(made, {name: capabilities.get(name, nothing) for name in made.imports})
    async with local_host(folder / f"host-{language}") as host:
        began = time.perf_counter()
        await host.start(plugin)
        compiled_ms = 1000 * (time.perf_counter() - began)
        await host.stop(plugin.id)
        starts: list[float] = []
        for _ in range(5):
            began = time.perf_counter()
            await host.start(plugin)
            await greet(host, plugin.id)
            starts.append(1000 * (time.perf_counter() - began))
            if len(starts) < 5:  # noqa: PLR2004 - the last stays
                await host.stop(plugin.id)
        await asyncio.sleep(IDLE_S)
        private_mb = private(host.state(plugin.id).pid or 0)
        calls = [await greet(host, plugin.id) for _ in range(CALLS)]
    computing = await computes(language, folder)
    return Cost(language, compiled_ms, min(starts), calls, private_mb, computing)


async def computes(language: str, folder: Path) -> list[float]:
    """Calls of a tool that asks for nothing; milliseconds."""
    own = folder / f"computing-{language}"
    own.mkdir()
    made = await asyncio.to_thread(project, language, own, only_computes=True)
    async with local_host(own / "host") as host:
        await host.start(loaded(made, dict.fromkeys(made.imports, nothing)))
        for _ in range(5):
            await greet(host, made.manifest.id)
        return [await greet(host, made.manifest.id) for _ in range(CALLS)]


def private(pid: int) -> float:
    """Megabytes that only this process has."""
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:")):
            total += int(line.split()[1])
    return total / 1000


@asynccontextmanager
async def lags() -> AsyncGenerator[list[float]]:
    """How late the loop was, in milliseconds, while the context lasts."""
    found: list[float] = []

    async def watch() -> None:
        while True:
            due = time.perf_counter() + TICK_S
            await asyncio.sleep(TICK_S)
            found.append(1000 * (time.perf_counter() - due))

    task = asyncio.create_task(watch())
    try:
        yield found
    finally:
        task.cancel()


async def crowd(folder: Path) -> tuple[list[float], list[float]]:
    """Calls of ten plugins, a hundred at once: their times, and the loop's lag meanwhile."""
    times: list[float] = []
    async with local_host(folder / "host-crowd") as host:
        ids = [f"hello-{number}" for number in range(CROWD)]
        for plugin_id in ids:
            made = await asyncio.to_thread(project, "c", folder, plugin_id)
            capabilities = {"kv": Kv().call, "log": nothing, "config": nothing}
            await host.start(
                loaded(made, {name: capabilities.get(name, nothing) for name in made.imports})
            )
            await greet(host, plugin_id)
        async with lags() as lag:
            for _ in range(WAVES):
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(greet(host, ids[number % CROWD]))
                        for number in range(TOGETHER)
                    ]
                times += [task.result() for task in tasks]
    return times, lag


async def report(folder: Path) -> str:
    """All of it as Markdown."""
    where = (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}, load average before the start {os.getloadavg()[0]:.1f}."
    )
    head = (
        *("language", "computing call p50 ms", "goal", "p99", "call with 4 questions p50 ms"),
        *("goal", "p99", "warm start ms", "goal", "first start ms", "private MB", "goal"),
    )
    lines = [
        "# What a plugin costs",
        "",
        where,
        "",
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
    ]
    for language in LANGUAGES:
        try:
            one = await cost(language, folder)
        except GatewayError as error:
            lines.append(f"| {language} | not measured: {error.message.splitlines()[0]} |")
            continue
        lines.append(
            f"| {one.language} | {quantile(one.computing_ms, 0.5):.2f} | {P50_MS[language]:g} | "
            f"{quantile(one.computing_ms, 0.99):.2f} | "
            f"{quantile(one.calls_ms, 0.5):.2f} | {P50_MS[language]:g} | "
            f"{quantile(one.calls_ms, 0.99):.2f} | {one.start_ms:.0f} | {START_MS:g} | "
            f"{one.compiled_ms:.0f} | {one.private_mb:.1f} | {MEMORY_MB:g} |"
        )
    times, lag = await crowd(folder)
    call = (
        "A call is a fresh instance in the plugin's worker. The computing one asks the gateway for "
        "nothing; the other asks it four things: its configuration, one read and one write of the "
        "store, a line for the log. A warm start is a new process and its first call (with the "
        "four questions); memory is that of the same plugin."
    )
    many = (
        f"{TOGETHER} calls at once over {CROWD} plugins, {WAVES} times: call p50 "
        f"{quantile(times, 0.5):.1f} ms, p99 {quantile(times, 0.99):.1f} ms; loop lag p50 "
        f"{quantile(lag, 0.5):.2f} ms, p99 {quantile(lag, 0.99):.2f} ms (goal {LAG_MS:g})."
    )
    repeat = (
        "Repeat with `python bench/plugins.py --write bench/PLUGINS.md`; see [README](README.md)."
    )
    lines += ["", call, "", many, "", repeat]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="carapace-bench-") as name:
        text = asyncio.run(report(Path(name)))
    print(text, end="")
    if arguments.write is not None:
        arguments.write.write_text(text)


if __name__ == "__main__":
    main()
