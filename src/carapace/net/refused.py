"""The error of a connection that the gateway would not make."""

from __future__ import annotations

__all__ = ["EgressRefused", "refusal_of"]

_MAX_CHAIN = 10


class EgressRefused(OSError):  # noqa: N818 - reads as a sentence where it is raised
    """An outbound request broke a rule, so no byte of it (or no further byte) was sent.

    An `OSError`, so that HTTP libraries treat it as a failed connection; find it behind their
    wrapping with `refusal_of`.

    Attributes:
        host: Host that was asked for, without credentials or path.
        port: Its port, 0 where the URL never got that far.
        reason: Which rule, for people.
    """

    def __init__(self, host: str, port: int, reason: str) -> None:
        where = f"{host}:{port}" if port else host
        super().__init__(f"refused to connect to {where}: {reason}")
        self.host = host
        self.port = port
        self.reason = reason


def refusal_of(error: BaseException) -> EgressRefused | None:
    """The refusal behind an error of an HTTP library or SDK, if that is what it was."""
    seen: BaseException | None = error
    for _ in range(_MAX_CHAIN):
        if seen is None or isinstance(seen, EgressRefused):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
