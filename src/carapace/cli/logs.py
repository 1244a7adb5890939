"""`cara logs`."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from carapace.cli.options import DEFAULT_REMOTE, Remote
from carapace.cli.output import show

__all__ = ["logs"]

_POLL_S: Final = 0.5
_SHOWN: Final = frozenset({"0", "1", "_meta", "time", "level", "logger", "event", "exception"})


def logs(
    *,
    follow: Annotated[bool, Parameter(alias="-f", negative="")] = False,
    limit: Annotated[int, Parameter(alias="-n")] = 200,
    remote: Remote = DEFAULT_REMOTE,
) -> None:
    """The gateway's log; -f follows it.

    Parameters
    ----------
    follow
        Go on with what is logged from now on, until Ctrl-C.
    limit
        Begin with the newest so many lines (1 to 5000).
    """
    from carapace.cli.client import GatewayClient  # noqa: PLC0415 - help needs none of it
    from carapace.cli.target import find_target  # noqa: PLC0415

    with GatewayClient(find_target(remote), timeout_s=remote.timeout_s) as gateway:
        cursor = _print(gateway.call("logs.tail", {"limit": limit}), remote)
        while follow:
            # Waiting for events keeps the connection answered; none is of interest here.
            deadline = time.monotonic() + _POLL_S
            while (left_s := deadline - time.monotonic()) > 0:
                gateway.next_event(left_s)
            cursor = _print(gateway.call("logs.tail", {"cursor": cursor, "limit": 5000}), remote)


def _print(page: dict[str, Any], remote: Remote) -> int:
    for line in page.get("lines", []):
        show(line if remote.json else pretty(line))
    sys.stdout.flush()  # whoever reads a pipe waits for these lines, not for a full buffer
    return int(page.get("cursor", 0))


def pretty(line: str) -> str:
    """One JSON line as a person reads it; anything else as it is."""
    try:
        entry = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return line
    fields = " ".join(f"{name}={value}" for name, value in entry.items() if name not in _SHOWN)
    level = str(entry.get("level", "info"))
    text = (
        f"{str(entry.get('time', ''))[11:19]} {level:<8} {entry.get('event', '')} "
        f"[{entry.get('logger', '')}] {fields}"
    ).rstrip()
    trace = entry.get("exception")
    return f"{text}\n{trace}" if trace else text
