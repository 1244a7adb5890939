"""The machine that runs components, set up in one way only.

Code compiled under other settings is refused when it is loaded, so the child that compiles and
the worker that runs use the same function. `carapace.plugins.worker.target` names the settings
for the cache.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from wasmtime import Config, Engine, Store, WasmtimeError
from wasmtime.component import Component

from carapace.plugins.frames import WorkerLimits
from carapace.plugins.worker.quirks import install, set_max_string_bytes

__all__ = ["InvalidComponent", "compile_component", "load_component", "new_engine", "new_store"]

_MAX_STACK_BYTES: Final = 512 * 1024
"""Of compiled code; the thread it runs on has sixteen times as much."""
_RESERVED_BYTES: Final = 64 * 1024 * 1024
"""Address space per memory; the library's own 4 GiB would defeat a cap of the process."""
_MAX_TABLE_ELEMENTS: Final = 20_000
_MAX_INSTANCES: Final = 200
_MAX_TABLES: Final = 100
_MAX_MEMORIES: Final = 8
_MAX_REASON: Final = 300


class InvalidComponent(ValueError):  # noqa: N818 - reads as a sentence where it is raised
    """The file cannot be run as a plugin; the text says why."""


def new_engine() -> Engine:
    """An engine with our settings: no threads, no 64-bit memories, epochs that stop a guest.

    Multiple memories stay on: without them the compiler gives up the whole process on some
    components.
    """
    install()
    config = Config()
    config.wasm_component_model = True
    config.epoch_interruption = True
    config.max_wasm_stack = _MAX_STACK_BYTES
    config.memory_reservation = _RESERVED_BYTES
    config.wasm_threads = False
    config.shared_memory = False
    config.wasm_memory64 = False
    config.wasm_relaxed_simd = False
    return Engine(config)


def new_store(engine: Engine, limits: WorkerLimits) -> Store:
    """A store that gives its guest no more than it may have."""
    set_max_string_bytes(limits.value_bytes)
    store = Store(engine)
    store.set_limits(
        memory_size=limits.memory_bytes,
        table_elements=_MAX_TABLE_ELEMENTS,
        instances=_MAX_INSTANCES,
        tables=_MAX_TABLES,
        memories=_MAX_MEMORIES,
    )
    return store


def compile_component(engine: Engine, wasm: bytes) -> Component:
    """Turn a component into machine code.

    Raises:
        InvalidComponent: If it is none.
    """
    try:
        return Component(engine, wasm)
    except WasmtimeError as error:
        raise InvalidComponent(_reason(error)) from None


def load_component(engine: Engine, descriptor: int) -> Component:
    """Load machine code that the gateway made and authenticated, from an open file.

    On Linux its pages stay those of the file, shared by all who run it.

    Raises:
        InvalidComponent: If it was made by another version or for another machine.
        OSError: If the file cannot be read.
    """
    try:
        if sys.platform == "linux":
            return Component.deserialize_file(engine, f"/proc/self/fd/{descriptor}")
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return Component.deserialize(engine, file.read())
    except WasmtimeError as error:
        raise InvalidComponent(_reason(error)) from None


def _reason(error: WasmtimeError) -> str:
    """What was wrong and, on one line with it, where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line.lstrip("0123456789: ") for line in lines if line != "Caused by:"]
    return ": ".join(dict.fromkeys((causes[0], causes[-1])))[:_MAX_REASON]
