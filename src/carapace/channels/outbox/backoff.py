"""After an attempt: is it done, when is the next, or is it given up? Pure.

The delay is full jitter: a random point of [0, min(cap, base * 2**(failures - 1))], and never
less than the service asked for (up to a bound, since a mad `Retry-After` must not park a
message for a year). A next attempt that would come after the message expires is not waited
for: the owner hears of it now.

Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, assert_never

from carapace.channels.outbox.types import AttemptOutcome, Cause
from carapace.channels.types import Dead, Delivered, RetryAfter, SendOutcome, Unknown
from carapace.value import Value

__all__ = ["GiveUp", "RetryAt", "RetryPolicy", "Verdict", "decide", "delay_s", "outcome_of"]

_MAX_EXPONENT: Final = 40


class RetryPolicy(Value, frozen=True, kw_only=True):
    """How patient the sender is.

    Attributes:
        base_s: Longest wait after the first failure.
        cap_s: Longest wait after any.
        max_retry_after_s: The most that a service's own wish counts.
        max_attempts: Failures after which a message is dead.
        max_repeats: The same, if the last outcome is unknown and nothing can tell whether it
            arrived: each further attempt may be one more copy in front of a person.
    """

    base_s: float = 1.0
    cap_s: float = 300.0
    max_retry_after_s: float = 3_600.0
    max_attempts: int = 50
    max_repeats: int = 10


class RetryAt(Value, frozen=True, kw_only=True):
    """Once more, not before `at_ms`; `is_failure` if the service was asked in vain."""

    at_ms: int
    reason: str
    is_failure: bool = True


class GiveUp(Value, frozen=True, kw_only=True):
    """No further attempt."""

    cause: Cause
    reason: str


Verdict = Delivered | RetryAt | GiveUp


def decide(
    outcome: SendOutcome,
    *,
    failures: int,
    may_be_repeat: bool,
    can_tell: bool,
    now_ms: int,
    expires_at_ms: int,
    policy: RetryPolicy,
    luck: Callable[[], float],
) -> Verdict:
    """What follows from an attempt.

    Args:
        outcome: What the channel said.
        failures: How many attempts failed before this one.
        may_be_repeat: Whether an earlier attempt may have arrived.
        can_tell: Whether the service drops repeats or can be asked whether a key arrived.
        now_ms: Wall time.
        expires_at_ms: When the message is too old to be sent.
        policy: How patient to be.
        luck: A random number of [0, 1).
    """
    match outcome:
        case Delivered():
            return outcome
        case Dead(reason=reason):
            return GiveUp(cause=Cause.REFUSED, reason=reason)
        case RetryAfter(reason=reason, after_s=after_s):
            doubt, limit = may_be_repeat, policy.max_attempts
        case Unknown(reason=reason, after_s=after_s):
            doubt, limit = True, policy.max_attempts if can_tell else policy.max_repeats
        case _:  # pragma: no cover - the type checker proves it
            assert_never(outcome)
    failed = failures + 1
    if failed >= limit:
        return GiveUp(cause=Cause.EXHAUSTED, reason=_given_up(reason, failed, doubt=doubt))
    at_ms = now_ms + math.ceil(1000 * delay_s(failed, after_s, policy=policy, luck=luck()))
    if at_ms >= expires_at_ms:
        return GiveUp(cause=Cause.EXPIRED, reason=_given_up(reason, failed, doubt=doubt))
    return RetryAt(at_ms=at_ms, reason=reason)


def delay_s(failures: int, after_s: float | None, *, policy: RetryPolicy, luck: float) -> float:
    """How long to wait after `failures` (at least 1) failed attempts.

    Args:
        failures: Including the last.
        after_s: What the service asked for; nonsense (negative, not a number) counts as nothing.
        policy: Base and caps.
        luck: Of [0, 1).

    Raises:
        ValueError: If `failures` is below 1.
    """
    if failures < 1:
        msg = "a delay comes after at least one failure"
        raise ValueError(msg)
    ceiling_s = min(policy.cap_s, policy.base_s * 2 ** min(failures - 1, _MAX_EXPONENT))
    # A comparison with NaN is false, so that NaN falls out here together with what is negative.
    asked_s = min(after_s, policy.max_retry_after_s) if after_s and after_s > 0 else 0.0
    return max(asked_s, luck * ceiling_s)


def outcome_of(outcome: SendOutcome) -> AttemptOutcome:
    """The outcome's name in rows and metrics."""
    match outcome:
        case Delivered():
            return AttemptOutcome.DELIVERED
        case RetryAfter():
            return AttemptOutcome.RETRY
        case Unknown():
            return AttemptOutcome.UNKNOWN
        case Dead():
            return AttemptOutcome.DEAD
        case _:  # pragma: no cover - the type checker proves it
            assert_never(outcome)


def _given_up(reason: str, failed: int, *, doubt: bool) -> str:
    times = "once" if failed == 1 else f"{failed} times"
    arrived = "; it may have arrived all the same" if doubt else ""
    return f"{reason} (failed {times}{arrived})"
