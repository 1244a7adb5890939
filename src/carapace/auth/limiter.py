"""Failed attempts are counted, whoever makes them; a pure machine, time is an argument.

Two budgets stand before every comparison of a secret: one for each client address, one for
all addresses together (a guesser may have many). Loopback is an address like any other: a
web page can reach it (advisory A10). The reservation is taken before anything is compared or
awaited, so a burst of parallel attempts cannot overdraw the budget (A13). An address is an
IPv4 address, or the /64 of an IPv6 one, and `::ffff:a.b.c.d` is `a.b.c.d` (A14).

The common budget would let a stranger lock everybody out. An address that has succeeded
lately is therefore measured by its own budget alone.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from carapace.value import Value

__all__ = ["Attempt", "FailureLimiter", "LimitRules", "Locked", "address_key"]

_V6_PREFIX: Final = 64
_BUSY_MS: Final = 1000
_EVICT_AMONG: Final = 16


class LimitRules(Value, frozen=True):
    """The budgets.

    Attributes:
        max_failures: For one address within the window; the next attempt is locked out.
        max_failures_everywhere: For all addresses without a recent success.
        window_s: How long a failure counts.
        lockout_s: How long an address stays locked out.
        trusted_for_s: How long a success exempts its address from the common budget.
        max_addresses: How many addresses are remembered; the longest unused is forgotten.
    """

    max_failures: int = 10
    max_failures_everywhere: int = 100
    window_s: float = 60.0
    lockout_s: float = 300.0
    trusted_for_s: float = 86_400.0
    max_addresses: int = 4096


class Locked(Value, frozen=True):
    """No attempt now.

    Attributes:
        retry_after_ms: When the next one may be made.
        is_new: This very call locked the address or the common budget.
        is_common: The common budget is spent, not the address's own.
    """

    retry_after_ms: int
    is_new: bool
    is_common: bool = False


@dataclass(slots=True)
class Attempt:
    """A reserved attempt: it counts as a failure until it is settled."""

    key: str
    at_s: float
    is_settled: bool = False


@dataclass(slots=True)
class _Budget:
    failures: deque[float] = field(default_factory=deque[float])
    reserved: int = 0
    locked_until_s: float = 0.0
    trusted_until_s: float = 0.0

    def spent(self, now_s: float, window_s: float) -> int:
        while self.failures and self.failures[0] <= now_s - window_s:
            self.failures.popleft()
        return len(self.failures) + self.reserved


def address_key(address: str) -> str:
    """The bucket of `address`; text that is no address is a bucket of its own."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, _V6_PREFIX), strict=False))
    return str(ip)


class FailureLimiter:
    """Counts failed attempts per address and in total."""

    __slots__ = ("_addresses", "_common", "_rules")

    def __init__(self, rules: LimitRules) -> None:
        self._rules = rules
        self._addresses: OrderedDict[str, _Budget] = OrderedDict()
        self._common = _Budget()

    def apply(self, rules: LimitRules) -> None:
        """Use other budgets from now on; what was counted stays counted."""
        self._rules = rules

    def begin(self, address: str, now_s: float) -> Attempt | Locked:
        """Reserve an attempt from `address`, or say how long it is locked out.

        Args:
            address: The client's IP address.
            now_s: Monotonic seconds.

        The caller must settle the attempt with `fail` or `succeed`.
        """
        key = address_key(address)
        budget = self._budget(key, now_s)
        locked = self._lock_if_spent(budget, now_s, self._rules.max_failures, is_common=False)
        if locked is None and budget.trusted_until_s <= now_s:
            locked = self._lock_if_spent(
                self._common, now_s, self._rules.max_failures_everywhere, is_common=True
            )
        if locked is not None:
            return locked
        budget.reserved += 1
        self._common.reserved += 1
        return Attempt(key, now_s)

    def fail(self, attempt: Attempt, now_s: float) -> None:
        """The secret was wrong."""
        if budget := self._settle(attempt):
            for one in (budget, self._common):
                # Nobody asks for the common one while only trusted addresses come.
                one.spent(now_s, self._rules.window_s)
                one.failures.append(now_s)

    def succeed(self, attempt: Attempt, now_s: float) -> None:
        """The secret was right: the address starts afresh and is trusted for a while."""
        if budget := self._settle(attempt):
            budget.failures.clear()
            budget.trusted_until_s = now_s + self._rules.trusted_for_s

    def release(self, attempt: Attempt) -> None:
        """Nothing was compared after all: neither a failure nor a success."""
        self._settle(attempt)

    def _settle(self, attempt: Attempt) -> _Budget | None:
        if attempt.is_settled:
            return None
        attempt.is_settled = True
        self._common.reserved -= 1
        budget = self._addresses[attempt.key]
        budget.reserved -= 1
        return budget

    def _lock_if_spent(
        self, budget: _Budget, now_s: float, max_failures: int, *, is_common: bool
    ) -> Locked | None:
        if budget.locked_until_s > now_s:
            return Locked(_ms_until(budget.locked_until_s, now_s), False, is_common)
        if budget.spent(now_s, self._rules.window_s) < max_failures:
            return None
        if len(budget.failures) < max_failures:
            # Only attempts still under way stand in between: come back in a moment.
            return Locked(_BUSY_MS, False, is_common)
        lock_s = self._rules.window_s if is_common else self._rules.lockout_s
        budget.locked_until_s = now_s + lock_s
        budget.failures.clear()
        return Locked(_ms_until(budget.locked_until_s, now_s), True, is_common)

    def _budget(self, key: str, now_s: float) -> _Budget:
        budget = self._addresses.get(key)
        if budget is None:
            self._make_room(now_s)
            budget = self._addresses[key] = _Budget()
        self._addresses.move_to_end(key)
        return budget

    def _make_room(self, now_s: float) -> None:
        """Forget an address that was not seen for longest, rather one that is not trusted."""
        if len(self._addresses) < self._rules.max_addresses:
            return
        oldest = [
            (budget.trusted_until_s > now_s, key)
            for key, budget in itertools.islice(self._addresses.items(), _EVICT_AMONG)
            if budget.reserved == 0
        ]
        if oldest:
            del self._addresses[min(oldest, key=lambda row: row[0])[1]]


def _ms_until(then_s: float, now_s: float) -> int:
    return max(1, int((then_s - now_s) * 1000))
