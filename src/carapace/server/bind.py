"""Where the gateway listens: from `gateway.bind` to open sockets.

`plan` is pure and only ever narrows: what cannot be bound is an error, never a reason to
listen everywhere. Loopback means both 127.0.0.1 and, where there is one, ::1.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from carapace.config.settings.gateway import GatewaySettings
from carapace.errors import Failed, Refused
from carapace.value import Value

__all__ = ["BACKLOG", "BindPlan", "listen", "plan", "port_owner", "tailnet_address"]

BACKLOG: Final = 1_024
_LOOPBACK: Final = ("127.0.0.1", "::1")
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - for `lan` alone, and with a credential
_TAILNET: Final = ipaddress.ip_network("100.64.0.0/10")
_TAILNET_RESOLVER: Final = "100.100.100.100"
_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)
_LISTEN_STATE: Final = "0A"


class BindPlan(Value, frozen=True):
    """Addresses to listen on.

    Attributes:
        hosts: Each must work, or starting fails.
        optional: Each is taken if this machine has it.
        warning: For people, if the setting could not be followed to the letter.
    """

    hosts: tuple[str, ...]
    optional: tuple[str, ...] = ()
    warning: str | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return all(ipaddress.ip_address(host).is_loopback for host in self.hosts)


def plan(
    settings: GatewaySettings, *, has_credential: bool, tailnet: Callable[[], str | None]
) -> BindPlan:
    """The addresses that `gateway.bind` means.

    Args:
        settings: `gateway`.
        has_credential: Whether a token or password protects the port.
        tailnet: Finds this machine's tailnet address; asked only if it matters.

    Raises:
        Refused: If the setting makes no sense, or would open the port to strangers.
    """
    found = _addresses(settings, tailnet)
    if not found.is_loopback:
        if not has_credential:
            raise Refused(
                f"gateway.bind is {settings.bind!r}, so other machines could connect, but no "
                "token or password is set: set gateway.auth.token (or CARAPACE_GATEWAY_TOKEN), "
                "or use gateway.bind loopback"
            )
        if settings.tailscale.mode != "off":
            raise Refused(
                f"gateway.tailscale.mode {settings.tailscale.mode!r} needs gateway.bind loopback: "
                "Tailscale is the door then, and there must be no second one"
            )
    return found


def _addresses(settings: GatewaySettings, tailnet: Callable[[], str | None]) -> BindPlan:
    if settings.bind == "lan":
        return BindPlan(_EVERYWHERE[:1], _EVERYWHERE[1:])
    if settings.bind == "tailnet":
        address = tailnet()
        if address is None:
            return BindPlan(
                _LOOPBACK[:1],
                _LOOPBACK[1:],
                "gateway.bind is 'tailnet' but this machine has no tailnet address: listening on "
                "loopback only; start Tailscale, then restart the gateway",
            )
        return BindPlan((address, _LOOPBACK[0]), _LOOPBACK[1:])
    if settings.bind == "custom":
        return BindPlan((_custom(settings.custom_bind_host),))
    return BindPlan(_LOOPBACK[:1], _LOOPBACK[1:])


def _custom(host: str | None) -> str:
    if not host:
        raise Refused(
            "gateway.bind is 'custom' but gateway.customBindHost is not set: set it to an address "
            "of this machine"
        )
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        raise Refused(
            f"gateway.customBindHost {host[:80]!r} is not an IP address: write the address of "
            "the interface, such as 192.168.1.10"
        ) from None


def tailnet_address() -> str | None:
    """This machine's address in 100.64.0.0/10, or None.

    A datagram socket that is connected sends nothing, but the kernel says which of our
    addresses it would use towards the tailnet's own resolver.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_TAILNET_RESOLVER, 53))
        except OSError:
            return None
        address = probe.getsockname()[0]
    return address if ipaddress.ip_address(address) in _TAILNET else None


def listen(bind_plan: BindPlan, port: int) -> list[socket.socket]:
    """Open every socket of the plan, on one port.

    Args:
        bind_plan: From `plan`.
        port: 0 takes a free one, the same for all.

    Raises:
        Failed: If a needed address cannot be had; names who has it, if that can be seen.
    """
    sockets: list[socket.socket] = []
    try:
        for host in bind_plan.hosts:
            sockets.append(_open(host, port))
            port = sockets[0].getsockname()[1]
        for host in bind_plan.optional:
            _add_optional(sockets, host, port)
    except OSError as error:
        for opened in sockets:
            opened.close()
        raise _unavailable(
            error, bind_plan.hosts[min(len(sockets), len(bind_plan.hosts) - 1)], port
        ) from error
    return sockets


def _add_optional(sockets: list[socket.socket], host: str, port: int) -> None:
    try:
        sockets.append(_open(host, port))
    except OSError as error:
        if error.errno not in _ABSENT:
            raise


def _open(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((host, port))
        opened.listen(BACKLOG)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened


def _unavailable(error: OSError, host: str, port: int) -> Failed:
    if error.errno == errno.EADDRINUSE:
        owner = port_owner(port)
        by = f" by {owner}" if owner else ""
        return Failed(
            f"port {port} is already in use{by}: stop that program, or choose another port "
            "with --port or gateway.port"
        )
    if error.errno == errno.EACCES:
        return Failed(
            f"this user may not listen on port {port}: choose a port above 1023 with --port "
            "or gateway.port"
        )
    return Failed(
        f"cannot listen on {host} port {port} ({error.strerror}): check that gateway.bind and "
        "gateway.customBindHost name an address of this machine"
    )


def port_owner(port: int, proc: Path = Path("/proc")) -> str | None:
    """Who listens on `port`, as "name (pid N)"; None where the system does not tell."""
    inodes = _listening_inodes(port, proc)
    if not inodes:
        return None
    for process in sorted(proc.glob("[0-9]*")):
        with contextlib.suppress(OSError):
            for link in (process / "fd").iterdir():
                target = str(link.readlink())
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    name = (process / "comm").read_text().strip()
                    return f"{name} (pid {process.name})"
    return None


def _listening_inodes(port: int, proc: Path) -> set[str]:
    """Socket inodes in state LISTEN, from the kernel's tables (man 5 proc_pid_net)."""
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (proc / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                is_ours = fields[1].rpartition(":")[2] == f"{port:04X}"
                if is_ours and fields[3] == _LISTEN_STATE:
                    found.add(fields[9])
    return found
