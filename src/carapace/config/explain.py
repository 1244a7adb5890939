"""One setting, explained: its value, who said so, what it means, when a change counts."""

from __future__ import annotations

import difflib
from typing import Any, Literal, cast

import msgspec

from carapace.config.catalogue import entries, find
from carapace.config.load import Loaded
from carapace.config.located import Key, key_text
from carapace.config.others import without_others
from carapace.config.redact import redact_tree
from carapace.config.wording import describe
from carapace.errors import Refused

__all__ = ["Explanation", "explain", "no_such_setting"]


class Explanation(msgspec.Struct, frozen=True, rename="camel"):
    """What is known about a setting; secrets are hidden.

    Attributes:
        origin: A variable's name, a flag, `file:line:column` (with the variables that were
            put in), or `default`.
        type: What may be written, in words.
        effect: Whether a change counts at once or after a restart.
    """

    key: str
    value: Any
    origin: str
    default: Any
    type: str
    meaning: str
    effect: Literal["live", "restart"]


def explain(key: Key, loaded: Loaded) -> Explanation:
    """Explain `key` as `loaded` has it.

    Raises:
        Refused: If there is no such setting; the text suggests one.
    """
    field = find(key)
    if field is None:
        raise no_such_setting(key)
    default = None
    if _names_field(key, field.name):
        default = without_others(field.shape, msgspec.to_builtins(field.default))
    found = loaded.effective.find(key)
    value = default if found is None else _over(default, found.plain())
    origin = "default" if found is None else str(found.place)
    if found is not None and found.variables:
        origin += " with " + ", ".join(f"${{{name}}}" for name in found.variables)
    return Explanation(
        key=key_text(key),
        value=redact_tree(value, key),
        origin=origin,
        default=default,
        type=describe(field.shape.type),
        meaning=field.meaning,
        effect="live" if field.live else "restart",
    )


def _over(default: Any, written: Any) -> Any:
    """A section's defaults with what was written laid upon them; else what was written."""
    if not isinstance(default, dict) or not isinstance(written, dict):
        return written
    base, over = cast("dict[str, Any]", default), cast("dict[str, Any]", written)
    return {**base, **{name: _over(base.get(name), one) for name, one in over.items()}}


def _names_field(key: Key, name: str) -> bool:
    """Whether `key` names the field itself and not an entry of the map or list it is."""
    return key[-1] == name


def no_such_setting(key: Key) -> Refused:
    """The refusal for an unknown key, with the nearest known one."""
    known = {key_text(entry.key): entry.key for entry in entries()}
    near = difflib.get_close_matches(key_text(key), known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else " docs/reference/config.md lists them all."
    return Refused(f"There is no setting {key_text(key)}.{hint}")
