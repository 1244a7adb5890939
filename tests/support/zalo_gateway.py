"""A real gateway with the real Zalo plugin in it, for flow tests.

The component is built from `plugins/zalo` as an author builds it, once per content of its sources.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from carapace.plugins.sdk.build import build
from carapace.plugins.sdk.project import open_project
from carapace_tools.golden.connection import Connection
from support.gateway import Started, running_gateway, settings
from support.ws import peer

__all__ = ["WEBHOOK_SECRET", "admin", "built_zalo", "config_for", "ok", "zalo_gateway"]

CALL_DEADLINE_S = 100.0
SOURCES = Path(__file__).resolve().parents[2] / "plugins" / "zalo"
WEBHOOK_SECRET = "zalo-flow-webhook-secret-0123456789"
_IGNORED = shutil.ignore_patterns("build", "__pycache__")


def built_zalo() -> Path:
    """A folder with the files of the package, built once per content of the sources."""
    digest = open_project(SOURCES).digest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "carapace-tests" / "wasm" / f"zalo-{digest[:16]}"
    if not (folder / "plugin.wasm").is_file():
        work = folder.with_name(f"{folder.name}-{os.getpid()}")
        shutil.copytree(SOURCES, work, ignore=_IGNORED)
        wasm = build(open_project(work))
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(work / "plugin.toml", folder / "plugin.toml")
        wasm.replace(folder / "plugin.wasm")
        shutil.rmtree(work)
    return folder


def config_for(model_port: int, zalo: Any, **more: Any) -> dict[str, Any]:
    """Settings of a gateway whose Zalo bot is the one of the server `zalo`."""
    config = settings(model_port)
    config["plugins"] = {
        "allowUnsigned": True,
        "entries": {"zalo": {"http": [f"POST {zalo.url}/**"]}},
    }
    config["channels"] = {"zalo": {"botToken": zalo.token, "apiUrl": zalo.url, **more}}
    return config


@asynccontextmanager
async def zalo_gateway(
    home: Path, config: dict[str, Any], *, port: int = 0
) -> AsyncGenerator[Started]:
    """It runs, and the plugin is installed and agreed to."""
    async with running_gateway(home, config, port=port) as gateway:
        async with admin(gateway) as connection:
            params = {"source": str(built_zalo()), "accept": True}
            await ok(connection, "plugins.install", params)
        yield gateway


@asynccontextmanager
async def admin(gateway: Started) -> AsyncGenerator[Connection]:
    """A client of the owner's."""
    async with peer(gateway.url, device="admin") as connection:
        yield connection


async def ok(connection: Connection, method: str, params: dict[str, Any]) -> Any:
    """The payload of a call that must work; compiling the plugin may take half a minute."""
    name = uuid.uuid4().hex
    await connection.send({"type": "req", "id": name, "method": method, "params": params})
    found = await connection.until(lambda: connection.answers(name), method, CALL_DEADLINE_S)
    assert found[0]["ok"], json.dumps(found[0])
    return found[0]["payload"]
