"""Which version may follow on which, and which are kept. Pure.

An attacker who has an old signed package, with a hole in it that was closed since, must not get
it back in: the signature still holds, so the order of versions has to.
"""

from __future__ import annotations

from typing import Final

from carapace.plugins.package.contents import Package
from carapace.plugins.package.lock import KeptVersion, LockedPlugin
from carapace.plugins.package.version import parse_version
from carapace.plugins.state import PluginRefused, Refusal

__all__ = ["check_floor", "check_order", "worth_keeping"]

_KEPT_VERSIONS: Final = 3


def check_floor(own: LockedPlugin, version: str) -> None:
    """No version below the floor, on any way.

    Raises:
        PluginRefused: If it is one.
    """
    if own.floor is not None and parse_version(version) < parse_version(own.floor):
        raise PluginRefused(
            Refusal.OLDER,
            f"{own.id} {version} is below {own.floor}, and its publisher lets nobody go back "
            "further than that",
        )


def check_order(own: LockedPlugin, package: Package) -> None:
    """No way back but by a rollback, and no two packages under one number.

    Raises:
        PluginRefused: If the package would be one of the two.
    """
    manifest = package.manifest
    check_floor(own, manifest.version)
    if own.highest is not None and parse_version(manifest.version) < parse_version(own.highest):
        raise PluginRefused(
            Refusal.OLDER,
            f"{own.id} {own.highest} has run here, {manifest.version} is older. Go back to a "
            f"version that is kept: cara plugin rollback {own.id}",
        )
    for one in own.versions:
        is_draft = one.publisher is None and not package.is_signed
        if one.version == manifest.version and one.digest != package.digest and not is_draft:
            raise PluginRefused(
                Refusal.OLDER,
                f"{own.id} {one.version} is here already with other contents. Its publisher has "
                "to give a changed plugin a higher version",
            )


def worth_keeping(own: LockedPlugin, kept: KeptVersion) -> tuple[KeptVersion, ...]:
    """The version that is used from now on, last, after what waits and the newest others."""
    waits = own.pending if own.pending != kept.digest else None
    others = [one for one in own.versions if one.digest not in {kept.digest, waits}]
    waiting = [one for one in own.versions if one.digest == waits]
    return (*others[1 - _KEPT_VERSIONS :], *waiting, kept)
