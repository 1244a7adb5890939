"""JSON Merge Patch, RFC 7396: null removes, objects merge, anything else replaces."""

from __future__ import annotations

from typing import Any, cast

__all__ = ["merge_patch"]


def merge_patch(target: Any, patch: Any) -> Any:
    """`target` with `patch` applied; neither is changed."""
    if not isinstance(patch, dict):
        return patch
    changes = cast("dict[str, Any]", patch)
    out = dict(cast("dict[str, Any]", target)) if isinstance(target, dict) else {}
    for name, value in changes.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merge_patch(out.get(name), value)
    return out
