"""What this process changes in the library that runs components, and why.

Four methods of wasmtime-py 50 are replaced, all private, so `install` looks whether they are
there. One guest thread a process makes the rest of its shared state harmless.

* Values of variants, options and results are wrapped in `Variant` only if two of their cases look
  alike; then a host cannot tell, or write, all of them (`result<option<u32>, error>` loses its
  error). They are always wrapped here.
* A string or list of any size becomes Python objects before anybody may look at it.
* A list of bytes is converted byte by byte, at a microsecond each.
"""

from __future__ import annotations

import ctypes
import importlib
from typing import Any, Final

__all__ = ["ITEM_BYTES", "OversizeError", "forget_exception", "install", "set_max_string_bytes"]

_TYPES: Final[Any] = importlib.import_module("wasmtime.component._types")
_ENTER: Final[Any] = importlib.import_module("wasmtime.component._enter")
_FFI: Final[Any] = importlib.import_module("wasmtime._ffi")


ITEM_BYTES: Final = 16
"""What any value costs besides its text; a list of nothing is not free."""


class OversizeError(ValueError):
    """The guest handed over a value that is larger than it may be."""


class _Caps:
    """The largest string, and the largest list of bytes, that is taken from a guest."""

    max_bytes: int = 16 * 1024 * 1024


def set_max_string_bytes(max_bytes: int) -> None:
    """Refuse longer strings and byte lists from the guest, with `OversizeError`."""
    _Caps.max_bytes = max_bytes


def install() -> None:
    """Replace the four; calling it again changes nothing.

    Raises:
        RuntimeError: If the library is not the one this was written for.
    """
    wanted = (
        (_TYPES.VariantLikeType, "_tagged"),
        (_TYPES.String, "convert_from_c"),
        (_TYPES.ListType, "convert_from_c"),
        (_TYPES.ListType, "convert_to_c"),
        (_TYPES.ListType, "_is_bytes"),
        (_ENTER, "LAST_EXCEPTION"),
    )
    for owner, name in wanted:
        if not hasattr(owner, name):
            raise RuntimeError(f"this wasmtime has no {owner.__name__}.{name}; install 50.0")
    if _TYPES.VariantLikeType._tagged is _always:  # noqa: SLF001 - the very thing to replace
        return
    _TYPES.VariantLikeType._tagged = _always  # noqa: SLF001 - as above
    _TYPES.String.convert_from_c = _string
    _TYPES.ListType.convert_from_c = _lifted_with(_TYPES.ListType.convert_from_c)
    _TYPES.ListType.convert_to_c = _lowered_with(_TYPES.ListType.convert_to_c)


def forget_exception() -> None:
    """Clear what an earlier call may have left; it would be raised in the next one."""
    _ENTER.LAST_EXCEPTION = None


def _always(_self: Any) -> bool:
    return True


def _string(_self: Any, value: Any) -> str:
    raw = value.of.string
    try:
        if raw.size > _Caps.max_bytes:
            raise OversizeError(f"a text of {raw.size} bytes")
        text: str = _FFI.to_str(raw)
        return text
    finally:
        _FFI.wasm_byte_vec_delete(ctypes.byref(raw))


def _lifted_with(stock: Any) -> Any:
    """The conversion of lists from a guest, with a short way for bytes."""
    cell_bytes = ctypes.sizeof(_FFI.wasmtime_component_val_t)
    offset = _FFI.wasmtime_component_val_t.of.offset

    def convert(self: Any, value: Any) -> Any:
        raw = value.of.list
        size = raw.size
        is_bytes = size and self._is_bytes()
        if not is_bytes and size * ITEM_BYTES <= _Caps.max_bytes:
            return stock(self, value)
        try:
            if not is_bytes:
                raise OversizeError(f"a list of {size} values")
            if size > _Caps.max_bytes:
                raise OversizeError(f"a list of {size} bytes")
            cells = ctypes.string_at(ctypes.addressof(raw.data.contents), size * cell_bytes)
            return cells[offset::cell_bytes]
        finally:
            _FFI.wasmtime_component_vallist_delete(ctypes.byref(raw))

    return convert


def _lowered_with(stock: Any) -> Any:
    """The conversion of lists for a guest, with a short way for bytes."""
    cell_bytes = ctypes.sizeof(_FFI.wasmtime_component_val_t)
    offset = _FFI.wasmtime_component_val_t.of.offset
    nought = _nought()

    def convert(self: Any, store: Any, value: Any, place: Any) -> None:
        if not value or not isinstance(value, bytes) or not self._is_bytes():
            stock(self, store, value, place)
            return
        raw = _FFI.wasmtime_component_vallist_t()
        _FFI.wasmtime_component_vallist_new_uninit(raw, len(value))
        cells = bytearray(nought * len(value))
        cells[offset::cell_bytes] = value
        ctypes.memmove(ctypes.addressof(raw.data.contents), bytes(cells), len(cells))
        place.contents.kind = _FFI.WASMTIME_COMPONENT_LIST
        place.contents.of.list = raw

    return convert


def _nought() -> bytes:
    """An element of such a list, a byte of nought, as it lies in memory."""
    cell = _FFI.wasmtime_component_val_t()
    ctypes.memset(ctypes.byref(cell), 0, ctypes.sizeof(cell))
    cell.kind = _FFI.WASMTIME_COMPONENT_U8
    return bytes(cell)
