"""Who may have work done before a signature proved anything; pure, time is an argument.

Two things are counted for each address and each owner of routes, apart from each other:

- **volume**: requests that proved nothing so far. A request that proves itself gives its place
  back, so honest senders are never slowed down by it.
- **failures**: wrong secrets and signatures.

What follows from a spent budget depends on what a guess is worth. Where a secret is compared
(a token), ten wrong ones lock the address out, before the next comparison (advisory D09). Where
a signature is checked, guessing is hopeless, and one proxy may stand for honest and other
senders: such an address becomes a *suspect*. Its requests are still checked, at a bounded rate,
if they are small (Q12); only large bodies have to wait.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec

from carapace.auth.limiter import Attempt, FailureLimiter, LimitRules, Locked, address_key
from carapace.value import Value

__all__ = ["Buckets", "BudgetRules", "Entry", "OwnerBudget", "Wait"]

_ALL: Final = ""


class BudgetRules(Value, frozen=True):
    """The budgets of one owner of routes.

    Attributes:
        per_s: Unproven requests of one address that flow back each second.
        burst: Unproven requests of one address at once.
        checks_per_s: Signatures of suspects that are checked each second, all together.
        checks_burst: The same, at once.
        small_bytes: Longest body of a suspect.
        failures: Wrong secrets.
        max_addresses: How many are remembered; the longest unused are forgotten.
    """

    per_s: float = 50.0
    burst: int = 200
    checks_per_s: float = 1_000.0
    checks_burst: int = 1_000
    small_bytes: int = 65_536
    failures: LimitRules = msgspec.field(
        default_factory=lambda: LimitRules(max_failures=10, max_failures_everywhere=1_000)
    )
    max_addresses: int = 4_096


class Wait(Value, frozen=True):
    """Not now.

    Attributes:
        retry_after_s: When again.
        is_new: This very call locked the address out.
    """

    retry_after_s: float
    is_new: bool = False


class Entry(Value, frozen=True):
    """Go on.

    Attributes:
        key: The address, as it is counted.
        is_suspect: Its budget is spent.
        max_bytes: Longest body it may send, whatever the route allows; None is no limit.
    """

    key: str
    is_suspect: bool = False
    max_bytes: int | None = None


class Buckets:
    """A token bucket for each key, the longest unused forgotten."""

    __slots__ = ("_burst", "_held", "_max_keys", "_per_s")

    def __init__(self, *, per_s: float, burst: int, max_keys: int) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._max_keys = max_keys
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def take(self, key: str, now_s: float) -> float:
        """Take a token; 0.0 if there was one, else the seconds until there will be."""
        tokens, at_s = self._held.pop(key, (self._burst, now_s))
        tokens = min(self._burst, tokens + max(0.0, now_s - at_s) * self._per_s)
        wait_s = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._per_s
        self._held[key] = (tokens - 1.0 if wait_s == 0.0 else tokens, now_s)
        if len(self._held) > self._max_keys:
            self._held.popitem(last=False)
        return wait_s

    def give_back(self, key: str) -> None:
        """Undo a `take`."""
        held = self._held.get(key)
        if held is not None:
            self._held[key] = (min(self._burst, held[0] + 1.0), held[1])


class OwnerBudget:
    """The budgets of one owner of routes.

    For each request: `enter`; then, right around the comparison, `begin` and one of `passed` and
    `failed`.
    """

    __slots__ = ("_checks", "_failures", "_rules", "_volume")

    def __init__(self, rules: BudgetRules) -> None:
        self._rules = rules
        self._volume = Buckets(per_s=rules.per_s, burst=rules.burst, max_keys=rules.max_addresses)
        self._checks = Buckets(per_s=rules.checks_per_s, burst=rules.checks_burst, max_keys=1)
        self._failures = FailureLimiter(rules.failures)

    def __len__(self) -> int:
        """How many addresses are remembered for their volume."""
        return len(self._volume)

    def enter(self, address: str, *, is_guessable: bool, now_s: float) -> Entry | Wait:
        """Before anything of the body is read.

        Args:
            address: The client's.
            is_guessable: Whether the route compares a secret.
            now_s: Monotonic seconds.
        """
        key = address_key(address)
        locked = self._locked(address, now_s)
        if locked is not None and is_guessable:
            return Wait(locked.retry_after_ms / 1000, locked.is_new)
        wait_s = self._volume.take(key, now_s)
        if wait_s and is_guessable:
            return Wait(wait_s)
        if wait_s or locked is not None:
            return self._suspect(key, now_s)
        return Entry(key)

    def begin(self, address: str, *, is_guessable: bool, now_s: float) -> Attempt | Wait | None:
        """Right before the comparison: a guess is paid for before it is made.

        Returns:
            None where a suspect's signature is checked: it has paid at `enter`.
        """
        attempt = self._failures.begin(address, now_s)
        if isinstance(attempt, Attempt):
            return attempt
        return Wait(attempt.retry_after_ms / 1000, attempt.is_new) if is_guessable else None

    def passed(self, entry: Entry, attempt: Attempt | None, now_s: float) -> None:
        """The secret or signature was right."""
        if entry.is_suspect:
            self._checks.give_back(_ALL)
        else:
            self._volume.give_back(entry.key)
        if attempt is not None:
            self._failures.succeed(attempt, now_s)

    def failed(self, attempt: Attempt | None, now_s: float) -> None:
        """It was wrong."""
        if attempt is not None:
            self._failures.fail(attempt, now_s)

    def _suspect(self, key: str, now_s: float) -> Entry | Wait:
        wait_s = self._checks.take(_ALL, now_s)
        if wait_s:
            return Wait(wait_s)
        return Entry(key, is_suspect=True, max_bytes=self._rules.small_bytes)

    def _locked(self, address: str, now_s: float) -> Locked | None:
        attempt = self._failures.begin(address, now_s)
        if isinstance(attempt, Locked):
            return attempt
        self._failures.release(attempt)
        return None
