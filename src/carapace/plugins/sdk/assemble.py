"""Puts a core module into the component around it: `python -m carapace.plugins.sdk.assemble`.

Runs as a process of its own, so that WebAssembly machinery stays out of whoever builds.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, Final

__all__ = ["main", "with_core_module"]

_PREAMBLE_BYTES: Final = 8
_CORE_MODULE: Final = 1  # section id; component-model/design/mvp/Binary.md


def with_core_module(component: bytes, core: bytes) -> bytes:
    """`component` with its first core module replaced by `core`.

    Raises:
        ValueError: If there is no core module in it.
    """
    at = _PREAMBLE_BYTES
    while at < len(component):
        length, start = _read_leb(component, at + 1)
        if component[at] == _CORE_MODULE:
            section = bytes([_CORE_MODULE]) + _leb(len(core)) + core
            return component[:at] + section + component[start + length :]
        at = start + length
    raise ValueError("the component has no core module")


def main(arguments: list[str]) -> int:
    """Read text and core module, write the component: `TEXT CORE TARGET`."""
    text, core, target = (Path(each) for each in arguments)
    try:
        wasmtime: Any = importlib.import_module("wasmtime")
    except ModuleNotFoundError:
        print(  # noqa: T201 - a process that only prints
            'wasmtime is not here: pip install "carapace-gateway[plugins]"', file=sys.stderr
        )
        return 1
    made = bytes(wasmtime.wat2wasm(text.read_text("utf-8")))
    target.write_bytes(with_core_module(made, core.read_bytes()))
    return 0


def _leb(number: int) -> bytes:
    """Unsigned LEB128."""
    made = bytearray()
    while number >= 0x80:  # noqa: PLR2004 - seven bits a byte
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def _read_leb(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the last byte has its top bit clear
            return number, at


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
