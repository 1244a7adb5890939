"""Which versions of the contract in `wit/` are spoken here.

A plugin names the major and minor version it was built against. A minor version only adds, so
one that is older than ours is part of it. Two major versions are spoken, the current one and
the one before it; the second only if there was one.
"""

from __future__ import annotations

from typing import Final

from carapace.value import Value

__all__ = ["SPOKEN", "ContractVersions"]

_MAJOR_MINOR: Final = 2


class ContractVersions(Value, frozen=True):
    """The versions that a gateway speaks.

    Attributes:
        newest: Major and minor of what `wit/plugin.wit` says.
        before: The last minor version of the major one before; None if none is spoken.
    """

    newest: tuple[int, int]
    before: tuple[int, int] | None = None

    def __str__(self) -> str:
        """As in `2.0 and 1.3`."""
        return " and ".join(f"{major}.{minor}" for major, minor in self._all())

    @property
    def newest_text(self) -> str:
        """As in `1.0`: what a manifest says of a plugin that is built here."""
        return f"{self.newest[0]}.{self.newest[1]}"

    def objection(self, version: tuple[int, ...]) -> str | None:
        """Why a plugin built against this version cannot run here, and what helps; or None.

        Args:
            version: Major, minor, and what may follow, which does not count.
        """
        if any((major, 0) <= version[:2] <= (major, minor) for major, minor in self._all()):
            return None
        speaks = f"this gateway speaks version {self} of the contract"
        if len(version) < _MAJOR_MINOR:
            return f"{speaks}; take a plugin that names the version it was built against"
        if version < self._all()[-1]:
            return f"{speaks}; take a newer version of the plugin"
        return f"{speaks}; update the gateway, or take an older version of the plugin"

    def _all(self) -> tuple[tuple[int, int], ...]:
        return (self.newest,) if self.before is None else (self.newest, self.before)


SPOKEN: Final = ContractVersions(newest=(1, 0))
"""What this gateway speaks."""
