"""`cara plugin` for authors: new, build, test, run, keygen, sign, pack."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

from carapace.cli.connect import connect
from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import as_json, show
from carapace.cli.trouble import Trouble
from carapace.errors import GatewayError, Refused
from carapace.plugins.sdk import new as beginning
from carapace.plugins.sdk import signing
from carapace.plugins.sdk.build import build, is_current
from carapace.plugins.sdk.cases import load_cases
from carapace.plugins.sdk.checking import Result, check
from carapace.plugins.sdk.local_host import cache_folder, local_host
from carapace.plugins.sdk.project import Project, open_project
from carapace.plugins.sdk.watching import file_hints, versions

if TYPE_CHECKING:
    from cyclopts import App

    from carapace.plugins.ports import PluginHost

__all__ = ["add_author_commands"]

Language = Literal["python", "js", "c", "rust"]
Role = Literal["tool", "channel", "webhook", "service", "hooks"]
Json = Annotated[bool, Parameter(name="--json", negative="")]

_HERE: Final = Path()
_KEY: Final = Path("publisher.key")
_INSTALL_S: Final = 600.0
"""The gateway compiles the component first."""


def add_author_commands(app: App) -> None:
    """Give `cara plugin` its commands for authors."""
    for name, command in _COMMANDS.items():
        app.command(command, name=name)


def new(folder: Path, /, *, lang: Language = "python", role: Role = "tool") -> None:
    """Begin a plugin in a new folder, whose name becomes its id.

    Parameters
    ----------
    folder
        Must not exist yet, or be empty.
    lang
        What it is written in.
    role
        What it is for; one plugin may have several roles later.
    """
    made = beginning.create(folder, language=lang, role=role)
    files = ", ".join(sorted(path.name for path in made.iterdir()))
    show(f"{made} holds {files}.\nNext: cd {made} && cara plugin build && cara plugin test")


def build_plugin(folder: Path = _HERE, /, *, json: Json = False) -> None:
    """Build the plugin's component, build/plugin.wasm.

    Parameters
    ----------
    folder
        Of the plugin.
    json
        Answer in JSON.
    """
    project = open_project(folder)
    wasm = build(project)
    if json:
        size_bytes = wasm.stat().st_size
        as_json({"id": project.manifest.id, "wasm": str(wasm), "sizeBytes": size_bytes})
    else:
        show(f"Built {wasm} ({wasm.stat().st_size / 1e6:.2f} MB).")


def check_plugin(folder: Path = _HERE, /, *, json: Json = False) -> int:
    """Run the plugin in a real worker before a fake gateway, with its cases.toml.

    It is built first if its sources have changed.

    Parameters
    ----------
    folder
        Of the plugin.
    json
        Answer in JSON.
    """
    project = open_project(folder)
    if not is_current(project):
        build(project)
    results = asyncio.run(_results(project))
    if json:
        as_json([{"name": each.name, "trouble": each.trouble} for each in results])
    else:
        _tell(results)
    return 1 if any(each.trouble for each in results) else 0


def run(
    folder: Path = _HERE,
    /,
    *,
    install: Annotated[bool, Parameter(negative="")] = False,
    remote: Remote = DEFAULT_REMOTE,
) -> None:
    """Build and test anew whenever a source changes, until Ctrl-C.

    Parameters
    ----------
    folder
        Of the plugin.
    install
        Also put each version that passes into the gateway on this machine, with all that it asks
        for. The gateway must take unsigned plugins: plugins.allowUnsigned.
    """
    with suppress(KeyboardInterrupt):
        hints = file_hints(folder.resolve())
        asyncio.run(_run(folder, hints, remote if install else None))


def keygen(path: Path = _KEY, /) -> None:
    """Make a key to sign plugins with, and print the publisher's name.

    Parameters
    ----------
    path
        File for the key. Keep it to yourself, and keep a copy.
    """
    publisher = signing.generate_key(path)
    show(f"{publisher}\nThe key is in {path}. Whoever trusts this name runs what it signs.")


def sign(folder: Path = _HERE, /, *, key: Path = _KEY) -> None:
    """Name the publisher in plugin.toml and sign it with the component.

    Parameters
    ----------
    folder
        Of the plugin, which must be built.
    key
        File that `cara plugin keygen` made.
    """
    loaded = signing.load_key(key)
    project = _current(folder, "signed")
    path = signing.sign_project(project, loaded)
    show(f"Signed as {signing.publisher_of_key(loaded)}: {path}")


def pack(folder: Path = _HERE, /, *, into: Path | None = None) -> None:
    """Put plugin.toml, plugin.wasm and plugin.sig into one file to hand on.

    Parameters
    ----------
    folder
        Of the plugin, which must be built.
    into
        Folder for the package; the plugin's own if not given.
    """
    path = signing.pack_project(_current(folder, "packed"), into)
    show(f"Packed {path}.\nInstall it: cara plugin install {path}")


def _current(folder: Path, done: str) -> Project:
    """The project, if its component was built from the sources as they are."""
    project = open_project(folder)
    if not is_current(project):
        raise Trouble(
            f"Nothing was {done}.",
            why="the component is not built from the sources as they are",
            next_step="Build it: cara plugin build",
        )
    return project


async def _results(project: Project) -> list[Result]:
    cases = load_cases(project.folder)
    async with local_host(cache_folder(os.environ)) as host:
        return [each async for each in check(project, host, cases)]


async def _run(folder: Path, hints: AsyncIterator[object], remote: Remote | None = None) -> None:
    """The loop of `run`."""
    async with local_host(cache_folder(os.environ)) as host:
        async for project in versions(folder, hints):
            if isinstance(project, Refused):
                show(project.message)
            else:
                await _once(project, host, remote)


async def _once(project: Project, host: PluginHost, remote: Remote | None) -> None:
    """Build, test, install; what goes wrong is told, and the watch goes on."""
    show(f"{project.manifest.id} {project.manifest.version}")
    try:
        if not is_current(project):
            await asyncio.to_thread(build, project)
        results = [each async for each in check(project, host, load_cases(project.folder))]
        _tell(results)
        if remote is not None and not any(each.trouble for each in results):
            await asyncio.to_thread(_install, project, remote)
    except GatewayError as error:
        show(error.message)
    except Trouble as trouble:
        show(f"{trouble.what} {trouble.why or ''} {trouble.next_step or ''}".rstrip())


def _install(project: Project, remote: Remote) -> None:
    """Pack it and hand it to the gateway, which takes it without a restart."""
    package = signing.pack_project(project, project.build_dir)
    given = {"source": str(package), "accept": True}
    with connect(replace(remote, timeout_s=max(remote.timeout_s, _INSTALL_S))) as gateway:
        row: dict[str, Any] = gateway.call("plugins.install", given)["plugin"]
    show(f"{row['id']} {row['version']} is {row['state']} in the gateway.")


def _tell(results: list[Result]) -> None:
    for each in results:
        show(f"ok    {each.name}" if each.trouble is None else f"wrong {each.name}: {each.trouble}")
    wrong = sum(each.trouble is not None for each in results)
    show(f"{len(results)} checked, {wrong} wrong." if wrong else f"{len(results)} checked, all ok.")


_COMMANDS: Final = {
    "new": new,
    "build": build_plugin,
    "test": check_plugin,
    "run": run,
    "keygen": keygen,
    "sign": sign,
    "pack": pack,
}
