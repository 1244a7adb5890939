"""Who listens on a port of this machine; from /proc, so only on Linux and only what we may see."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from carapace.value import Value

__all__ = ["PortOwner", "port_owner"]

_LISTEN: Final = "0A"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class PortOwner(Value, frozen=True):
    """A listening process.

    Attributes:
        text: For people.
        is_gateway: Whether it is one of ours.
    """

    text: str
    is_gateway: bool


def port_owner(url: str, *, proc: Path = Path("/proc")) -> PortOwner | None:
    """Who listens on the port of a loopback `url`; None if nobody, or it is elsewhere."""
    parts = urlsplit(url)
    if parts.hostname not in _LOOPBACK or parts.port is None or not _is_open(parts.port):
        return None
    inodes = _inodes(proc, parts.port)
    for folder in proc.glob("[0-9]*"):
        if inodes & _sockets(folder):
            command = _command(folder)
            is_gateway = "cara" in command or "carapace" in command
            return PortOwner(f"process {folder.name} ({command[:100]})", is_gateway)
    return PortOwner("a process that this user cannot see", is_gateway=False)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _inodes(proc: Path, port: int) -> set[str]:
    found: set[str] = set()
    for name in ("tcp", "tcp6"):
        try:
            rows = (proc / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _sockets(folder: Path) -> set[str]:
    found: set[str] = set()
    with contextlib.suppress(OSError):  # another user's process, or one that has just ended
        for path in (folder / "fd").iterdir():
            with contextlib.suppress(OSError):  # the descriptor may be closed meanwhile
                link = str(path.readlink())
                if link.startswith("socket:["):
                    found.add(link[8:-1])
    return found


def _command(folder: Path) -> str:
    try:
        return (
            (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        )
    except OSError:
        return "unknown"
