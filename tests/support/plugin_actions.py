"""The same few things done by a guest of the real worker and by one of the fake one."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace

from carapace.plugins.host.aot_cache import AotCache
from carapace.plugins.host.compiled import CompiledPlugins
from carapace.plugins.host.compiling import Compiler
from carapace.plugins.host.service import WorkerHost
from carapace.plugins.host.worker import COMMAND
from carapace.plugins.ports import LoadedPlugin
from support.guests import HAZARDS, wasm
from support.plugin_house import HouseUnderTest, a_plugin

__all__ = ["Actor", "FakeActor", "RealActor"]


class Notes:
    """A `log` that takes notes, and a `config` that never answers in time."""

    def __init__(self) -> None:
        self.noted: list[Any] = []

    async def log(self, function: str, arguments: list[Any]) -> None:
        self.noted.append((function, arguments))

    async def config(self, function: str, arguments: list[Any]) -> None:
        await asyncio.Event().wait()


class Actor(Protocol):
    """One plugin for each action; `do` starts it if need be."""

    notes: Notes
    host: WorkerHost

    async def do(self, action: str, text: str = "", *, timeout_s: float = 20.0) -> Any:
        """Actions: echo, count, error, spin, crash, log, print."""
        ...


class FakeActor:
    """On the worker of `support.plugin_worker`."""

    def __init__(self, folder: Path) -> None:
        self.notes = Notes()
        self.house = HouseUnderTest(folder)
        self.host = WorkerHost(self.house.house)

    async def do(self, action: str, text: str = "", *, timeout_s: float = 20.0) -> Any:
        name, arguments = {
            "echo": ("echo", [text]),
            "count": ("nap", [0]),
            "error": ("fail", ["NO"]),
            "spin": ("late", []),
            "crash": ("trap", ["crash"]),
            "log": ("ask", ["log", "emit", ["warn", text]]),
            "print": ("print", [text]),
        }[action]
        if self.host.state("hello").generation == 0:
            await self.host.start(a_plugin(capabilities={"log": self.notes.log}))
        value = await self.host.call("hello", "tool", name, *arguments, timeout_s=timeout_s)
        return {"echo": lambda: value[0], "count": lambda: "1"}.get(action, lambda: "")()


class RealActor:
    """On the real worker, compiled by the real child, through the cache."""

    def __init__(self, folder: Path) -> None:
        self.notes = Notes()
        self.house = HouseUnderTest(folder)
        self.folder = folder
        cache = AotCache(folder / "cache", b"k" * 32, audit=self.house.trail.audit)
        artifacts = CompiledPlugins(cache, Compiler())
        self.host = WorkerHost(replace(self.house.house, artifacts=artifacts, command=COMMAND))

    def plugin(self, action: str) -> LoadedPlugin:
        data = wasm(HAZARDS[action])
        path = self.folder / f"{action}.wasm"
        path.write_bytes(data)
        return dataclasses.replace(
            a_plugin("hello", capabilities={"log": self.notes.log, "config": self.notes.config}),
            id=action,
            wasm=path,
            wasm_sha256=hashlib.sha256(data).hexdigest(),
        )

    async def do(self, action: str, text: str = "", *, timeout_s: float = 20.0) -> Any:
        if self.host.state(action).generation == 0:
            await self.host.start(self.plugin(action))
        return await self.host.call(action, "tool", "invoke", "any", text, timeout_s=timeout_s)
