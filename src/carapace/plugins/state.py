"""How a plugin is, and by which rule it was refused: a word for programs, a text for people."""

from __future__ import annotations

from enum import StrEnum

from carapace.errors import Refused
from carapace.value import Value

__all__ = ["PluginRefused", "PluginState", "Refusal", "Standing"]


class Refusal(StrEnum):
    """The rule that a plugin broke."""

    SOURCE = "source"  # it could not be had, or not from there
    ARCHIVE = "archive"  # the file is not a package
    MANIFEST = "manifest"  # plugin.toml is wrong, or for another gateway
    UNSIGNED = "unsigned"
    SIGNATURE = "signature"  # the bytes are not those that were signed
    PUBLISHER = "publisher"  # signed by somebody who is not trusted
    CHANGED = "changed"  # the installed files are not those that were installed
    LOCK = "lock"  # the list of installed plugins was changed from outside
    LOG = "log"  # the log of installations was changed from outside
    OLDER = "older"  # a version below one that has run
    CONSENT = "consent"  # it asks for more than was agreed to
    UNKNOWN = "unknown"  # there is no such plugin, or no such version
    RUNTIME = "runtime"  # the host could not start it


class PluginRefused(Refused):
    """A plugin is not installed, or not loaded.

    Attributes:
        refusal: By which rule; also in `details.reason`.
    """

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message, details={"reason": refusal.value})
        self.refusal = refusal


class Standing(StrEnum):
    """Where an installed plugin stands before the host has any say.

    What is `ACTIVE` is then as the host says; see `carapace.plugins.ports.RunPhase`.
    """

    ACTIVE = "active"
    DISABLED = "disabled"
    WAITS_FOR_CONSENT = "waits-for-consent"
    REFUSED = "refused"


class PluginState(Value, frozen=True):
    """What people are told about one plugin.

    Attributes:
        state: A `Standing`, or of an active plugin the host's `RunPhase`.
        reason: Why, and the next step; empty if all is well.
        refusal: By which rule it was refused, if it was.
    """

    state: str
    reason: str = ""
    refusal: Refusal | None = None
