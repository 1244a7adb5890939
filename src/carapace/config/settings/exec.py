"""`tools.exec.*`: commands that agents may run on this machine."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Section, setting

__all__ = ["ExecSettings"]

_Path = Annotated[str, msgspec.Meta(pattern=r"^/[^:\x00\n]*$(?!\n)", max_length=4_096)]
_Seconds = Annotated[int, msgspec.Meta(ge=1, le=3_600)]
_Megabytes = Annotated[int, msgspec.Meta(ge=64, le=1_048_576)]


class ExecSettings(Section, frozen=True):
    """Commands on this machine: none, unless you say so."""

    security: Annotated[
        Literal["deny", "allowlist", "full"],
        setting(
            "Which commands may run: none, those that are listed or allowed by a person, or all. "
            "The approvals document may take away, never add.",
            live=True,
        ),
    ] = "deny"
    ask: Annotated[
        Literal["off", "on-miss", "always"],
        setting(
            "When a person is asked: never (what is not listed does not run), when a command is "
            "not listed, or each time. What programs ask for over HTTP always needs a person.",
            live=True,
        ),
    ] = "on-miss"
    timeout_sec: Annotated[
        _Seconds, setting("Seconds after which a command is ended, at most an hour.", live=True)
    ] = 300
    path_prepend: Annotated[
        tuple[_Path, ...],
        setting("Folders of programs to look in before the usual ones.", live=True, program=True),
    ] = ()
    sandbox: Annotated[
        Literal["required", "off"],
        setting(
            "Fence commands in (Linux: Landlock and seccomp), and run none where that cannot be "
            "done; or run them with everything you may do yourself.",
            live=True,
        ),
    ] = "required"
    network: Annotated[
        bool, setting("Let fenced commands open connections, also into your network.", live=True)
    ] = False
    read_paths: Annotated[
        tuple[_Path, ...],
        setting(
            "More files and folders that fenced commands may read and run, besides the "
            "workspace and the system's programs.",
            live=True,
        ),
    ] = ()
    max_memory_mb: Annotated[
        _Megabytes, setting("Memory of each process of a command, in MB.", live=True)
    ] = 2_048
