"""`cara token`: show, rotate."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from carapace.auth.shared import VAULT_NAME
from carapace.cli.options import DEFAULT_PLACE, Place
from carapace.cli.output import as_json
from carapace.cli.shell import new_app
from carapace.cli.target import load_config, paths_of
from carapace.cli.trouble import CONFIGURATION, Trouble
from carapace.config.located import key_text
from carapace.config.paths import Paths
from carapace.credentials.opening import open_vault
from carapace.ids import new_secret

__all__ = ["app"]

app: Final = new_app("token", help="Show or replace the gateway's token.")
_KEY: Final = ("gateway", "auth", "token")


@app.default
@app.command
def show(*, place: Place = DEFAULT_PLACE) -> None:
    """Print the token that clients need, and nothing else."""
    paths = paths_of(place)
    configured, origin = _configured(paths)
    token = configured or asyncio.run(_kept(paths))
    if token is None:
        raise Trouble(
            "There is no token yet.",
            why="the gateway makes one when it starts for the first time",
            next_step="Start it: cara up; or make one now: cara token rotate",
        )
    if place.json:
        as_json({"token": token, "origin": origin if configured else "vault"})
    else:
        print(token)


@app.command
def rotate(*, place: Place = DEFAULT_PLACE) -> None:
    """Replace the token by a new one and print it.

    A running gateway takes it up within two seconds and disconnects the clients of the old
    one. Paired devices keep their own tokens.
    """
    paths = paths_of(place)
    configured, origin = _configured(paths)
    if configured:
        raise Trouble(
            "The token was not replaced.",
            why=f"it is set by {origin}, which counts before the vault",
            next_step=f"Change it there, or remove it: cara config unset {key_text(_KEY)}",
            exit_code=CONFIGURATION,
        )
    token = new_secret()
    asyncio.run(_keep(paths, token))
    if place.json:
        as_json({"token": token, "origin": "vault"})
    else:
        print(token)


def _configured(paths: Paths) -> tuple[str | None, str]:
    """The token that environment or file set, and which of them did."""
    found = load_config(paths).effective.find(_KEY)
    if found is None or not isinstance(found.value, str) or not found.value:
        return None, "vault"
    return found.value, str(found.place)


async def _kept(paths: Paths) -> str | None:
    return await (await open_vault(paths.state_dir, os.environ)).get(VAULT_NAME)


async def _keep(paths: Paths, token: str) -> None:
    await (await open_vault(paths.state_dir, os.environ)).put(VAULT_NAME, token)
