"""`cara plugin trust` and `verify`: whose signatures count, and whether one holds."""

from __future__ import annotations

import json as json_text
import os
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from carapace.cli.options import DEFAULT_PLACE, Place
from carapace.cli.output import as_json, show
from carapace.cli.target import load_config, paths_of
from carapace.cli.trouble import CONFIGURATION, USAGE, Trouble
from carapace.clock import SystemClock
from carapace.config import edit
from carapace.config.settings.plugins import PluginsSettings
from carapace.plugins.package.contents import verify as verify_contents
from carapace.plugins.package.local import read
from carapace.plugins.package.permissions import compare
from carapace.plugins.package.publishers import InvalidPublisher, Trust, parse_publisher

__all__ = ["trust", "verify"]

_KEY: Final = "plugins.trustedPublishers"


def trust(
    publisher: str | None = None,
    /,
    *,
    remove: Annotated[bool, Parameter(negative="")] = False,
    place: Place = DEFAULT_PLACE,
) -> None:
    """Trust a publisher's signatures, or show whom you trust.

    A running gateway takes it up at once.

    Parameters
    ----------
    publisher
        Its key, as in `ed25519:...`. Get it from the publisher, not from the package.
    remove
        Trust it no longer; its plugins end.
    """
    trusted = list(_settings(place).trusted_publishers)
    if publisher is None:
        if remove:
            raise Trouble("Name the publisher to trust no longer.", exit_code=USAGE)
    else:
        trusted = _changed(trusted, publisher, remove=remove)
        edit.set_key(
            paths_of(place), os.environ, _KEY, json_text.dumps(trusted), clock=SystemClock()
        )
    if place.json:
        as_json({"trustedPublishers": trusted})
        return
    for one in trusted:
        show(one)
    if not trusted:
        print("You trust nobody, so no signed plugin runs.")


def verify(source: Path, /, *, place: Place = DEFAULT_PLACE) -> None:
    """Check a package, and show who signed it and what it asks for.

    Parameters
    ----------
    source
        A package, or the folder with its files.
    """
    settings = _settings(place)
    trusted = Trust.of(settings.trusted_publishers, allow_unsigned=settings.allow_unsigned)
    package = verify_contents(read(source.expanduser().absolute()), trusted)
    manifest = package.manifest
    asks = compare(None, manifest.ask).added
    if place.json:
        as_json(
            {
                "id": manifest.id,
                "version": manifest.version,
                "signed": package.is_signed,
                "publisher": manifest.publisher,
                "digest": package.digest,
                "wasmSha256": package.wasm_sha256,
                "permissions": list(asks),
            }
        )
        return
    whose = f"signed by {manifest.publisher}" if package.is_signed else "UNSIGNED"
    show(f"{manifest.name} ({manifest.id} {manifest.version}), {whose}")
    show(f"digest {package.digest}\nIt wants to:")
    for one in asks:
        show(f"  + {one}")


def _changed(trusted: list[str], publisher: str, *, remove: bool) -> list[str]:
    try:
        parse_publisher(publisher)
    except InvalidPublisher as error:
        raise Trouble("Nothing was changed.", why=str(error), exit_code=USAGE) from error
    others = [one for one in trusted if one != publisher]
    return others if remove else [*others, publisher]


def _settings(place: Place) -> PluginsSettings:
    settings = load_config(paths_of(place)).settings
    if settings is None:
        raise Trouble(
            "The configuration cannot be read.",
            next_step="Run: cara doctor",
            exit_code=CONFIGURATION,
        )
    return settings.plugins
