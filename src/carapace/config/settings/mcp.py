"""`mcp.*`: servers of the Model Context Protocol, whose tools agents may use."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Name, Section, setting

__all__ = ["McpServer", "McpSettings"]

_Path = Annotated[str, msgspec.Meta(pattern=r"^/[^:\x00\n]*$(?!\n)", max_length=4_096)]
_Argument = Annotated[str, msgspec.Meta(max_length=16_384)]
_TimeoutMs = Annotated[int, msgspec.Meta(ge=100, le=3_600_000)]
_ServerName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class McpServer(Section, frozen=True):
    """One server: a program of this machine (`command`) or an address (`url`)."""

    enabled: Annotated[bool, setting("Use it.", live=True)] = True
    command: Annotated[
        Name | None,
        setting("The program, which speaks on its input and output.", live=True, program=True),
    ] = None
    args: Annotated[tuple[_Argument, ...], setting("Its arguments.", live=True, program=True)] = ()
    env: Annotated[
        dict[Name, str],
        setting(
            "Its variables, besides a fixed few. Write secrets as `${NAME}`.",
            live=True,
            secret=True,
            program=True,
        ),
    ] = msgspec.field(default_factory=dict[str, str])
    cwd: Annotated[
        _Path | None,
        setting("The folder it runs in; without it, a folder of its own.", live=True, program=True),
    ] = None
    url: Annotated[
        Name | None, setting("The address, for a server that speaks streamable HTTP.", live=True)
    ] = None
    headers: Annotated[
        dict[Name, str],
        setting(
            "Headers of every request to it. Write secrets as `${NAME}`.", live=True, secret=True
        ),
    ] = msgspec.field(default_factory=dict[str, str])
    allow_private: Annotated[
        bool | None,
        setting(
            "Whether the host of `url` may stand in your own network; unless you say so, only if "
            "the address itself says that.",
            live=True,
        ),
    ] = None
    timeout_ms: Annotated[
        _TimeoutMs, setting("Milliseconds that one call of a tool may take.", live=True)
    ] = 60_000
    tools: Annotated[
        tuple[Name, ...] | None,
        setting("Only these of its tools, by the names it gives them.", live=True),
    ] = None
    read_only: Annotated[
        tuple[Name, ...],
        setting(
            "Those of its tools that only look at something: the owner's agents use them without "
            "asking. What the server itself says about that counts for nothing.",
            live=True,
        ),
    ] = ()
    risk: Annotated[
        Literal["dangerous", "outside", "read"],
        setting(
            "What its other tools may do at worst: act on a machine, speak to somebody else, or "
            "only read. A person is asked about the first two.",
            live=True,
        ),
    ] = "dangerous"
    sandbox: Annotated[
        Literal["required", "off"],
        setting(
            "Fence the program in (Linux: Landlock and seccomp), and do not start it where that "
            "cannot be done; or run it with everything you may do yourself.",
            live=True,
        ),
    ] = "required"
    network: Annotated[bool, setting("Let the fenced program open connections.", live=True)] = False
    read_paths: Annotated[
        tuple[_Path, ...],
        setting("More files and folders that the fenced program may read and run.", live=True),
    ] = ()
    write_paths: Annotated[
        tuple[_Path, ...],
        setting(
            "Folders that the fenced program may change, besides its own. They have to exist.",
            live=True,
        ),
    ] = ()


class McpSettings(Section, frozen=True):
    """Servers whose tools agents may use."""

    servers: Annotated[
        dict[_ServerName, McpServer], setting("The servers, by a name of yours.", live=True)
    ] = msgspec.field(default_factory=dict[str, McpServer])
