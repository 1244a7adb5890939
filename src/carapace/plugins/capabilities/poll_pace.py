"""When a held request is sent again. Pure."""

from __future__ import annotations

from typing import Final

from carapace.plugins.capabilities.outbound.wire import Response
from carapace.plugins.errors import GuestError
from carapace.value import Value

__all__ = ["Pace", "is_failure", "next_pause"]

_NOTHING_NEW: Final = frozenset({304, 408})
"""How services end a long request that saw nothing happen, beside a 2xx."""
_ERRORS_FROM: Final = 400
_FIRST_S: Final = 2.0
_LONGEST_S: Final = 60.0
_MAX_ASKED_S: Final = 3_600.0
_NEWS_EVERY_S: Final = 0.05
_NOTHING_EVERY_S: Final = 1.0
_IS_OK: Final = range(200, 300)


class Pace(Value, frozen=True):
    """How to go on.

    Attributes:
        wait_s: Before the next request.
        failures: In a row, with the last one.
    """

    wait_s: float
    failures: int


def is_failure(answer: Response | GuestError) -> bool:
    """Whether the service is in trouble, or we are with it."""
    if isinstance(answer, GuestError):
        return True
    return answer.status >= _ERRORS_FROM and answer.status not in _NOTHING_NEW


def next_pause(answer: Response | GuestError, *, took_s: float, failures: int, luck: float) -> Pace:
    """How long to wait after an answer.

    News are fetched on at once (at most twenty times a second), a service that says "nothing"
    without holding the request is asked once a second, and one in trouble less and less often:
    up to a minute, or as long as it asks for.

    Args:
        answer: What came.
        took_s: From the request to the answer.
        failures: In a row, before this one.
        luck: Of [0, 1); spreads the tries of many gateways.
    """
    if not is_failure(answer):
        is_news = isinstance(answer, Response) and answer.status in _IS_OK
        every_s = _NEWS_EVERY_S if is_news else _NOTHING_EVERY_S
        return Pace(max(0.0, every_s - took_s), 0)
    ceiling_s = min(_LONGEST_S, _FIRST_S * 2.0 ** min(failures, 20))
    return Pace(max(ceiling_s * (0.5 + luck / 2), _asked_s(answer)), failures + 1)


def _asked_s(answer: Response | GuestError) -> float:
    if isinstance(answer, GuestError):
        return min((answer.retry_after_ms or 0) / 1000, _MAX_ASKED_S)
    for header in answer.headers:
        value = header.value.strip()
        if header.name.lower() == "retry-after" and value.isascii() and value.isdigit():
            return min(float(value), _MAX_ASKED_S)
    return 0.0
