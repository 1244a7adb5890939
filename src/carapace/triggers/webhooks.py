"""The one door for what other programs send us, and the one order in which it is looked at.

    method -> route -> budget of the address -> body (size, time) -> signature over the raw body
    -> replay memory -> parse -> authorise -> persist -> answer

The order is the defence: nothing is read for a path that is not there, nothing is compared for an
address that is locked out, nothing is parsed before the signature is right, nothing is answered
well before what it causes is on disk. The first seven steps are done here, the others by the
route's handler, which says where it is with `VerifiedRequest.enter`.

The kernel knows no HTTP library: `carapace.server.http_webhooks` brings requests in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec.structs import replace

from carapace.auth.limiter import address_key
from carapace.clock import Clock
from carapace.errors import GatewayError, Refused
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics
from carapace.triggers.replay import Claim, ReplayMemory
from carapace.triggers.webhook_budget import Buckets, BudgetRules, Entry, OwnerBudget, Wait
from carapace.triggers.webhook_paths import Paths
from carapace.triggers.webhook_slots import Slot, Slots
from carapace.triggers.webhook_types import (
    BadBody,
    RawRequest,
    ReadBody,
    Rejected,
    RequestHead,
    Step,
    TooLong,
    Verified,
    VerifiedRequest,
    Verify,
    WebhookAnswer,
    WebhookRoute,
    plain,
)
from carapace.value import Value

__all__ = ["KernelLimits", "WebhookKernel"]

_log = get_logger(__name__)
_NOBODY: Final = "none"
_AUDIT_PER_S: Final = 1 / 60
_AUDIT_BURST: Final = 5
_AUDIT_KEYS: Final = 1_024
_AUDIT_ALL_PER_S: Final = 1.0
_AUDIT_ALL_BURST: Final = 100
_RETRY_S: Final = 1.0
_LOCK_CUT_S: Final = 5.0

Observe = Callable[[Step], None]


class KernelLimits(Value, frozen=True, kw_only=True):
    """What strangers and senders may take.

    Attributes:
        max_reading: Bodies read at once; see `Slots`.
        body_deadline_s: Longest time a body may take to arrive.
        max_running: Handlers at once; more are told to come back.
        budget: For each owner of routes.
    """

    max_reading: int = 256
    body_deadline_s: float = 5.0
    max_running: int = 256
    budget: BudgetRules = msgspec.field(default_factory=BudgetRules)


@dataclass(slots=True)
class _Visit:
    """A request on its way through the steps."""

    head: RequestHead
    observe: Observe | None
    at: Step = Step.METHOD
    owner: str = _NOBODY

    def enter(self, step: Step) -> None:
        self.at = step
        if self.observe is not None:
            self.observe(step)


class WebhookKernel:
    """All webhook routes, and the work that is the same for all.

    Args:
        replays: Remembers handled requests.
        clock: The time.
        audit: Told of lockouts, rejected signatures and repetitions, sparingly.
        metrics: Counts requests by owner and the step that answered.
        limits: See there.
        observe: Told each step that a request enters; for tests.
    """

    def __init__(
        self,
        replays: ReplayMemory,
        *,
        clock: Clock,
        audit: Audit,
        metrics: Metrics,
        limits: KernelLimits | None = None,
        observe: Observe | None = None,
    ) -> None:
        self._replays = replays
        self._clock = clock
        self._audit = audit
        self._metrics = metrics
        self._limits = limits or KernelLimits()
        self._observe = observe
        self._paths = Paths()
        self._budgets: dict[str, OwnerBudget] = {}
        self._absent: dict[str, str] = {}
        self._slots = Slots(self._limits.max_reading)
        self._running = 0
        self._audited = Buckets(per_s=_AUDIT_PER_S, burst=_AUDIT_BURST, max_keys=_AUDIT_KEYS)
        self._audited_all = Buckets(
            per_s=_AUDIT_ALL_PER_S, burst=_AUDIT_ALL_BURST, max_keys=_AUDIT_KEYS
        )

    # ---- routes ----

    def mount(self, route: WebhookRoute) -> None:
        """Serve a route from now on. One without a check of its secret stays away.

        Raises:
            Refused: If its path is taken, reserved or no plain path.
        """
        if route.verify is None:
            self._absent[route.path] = route.owner
            _log.warning("webhook without secret is not served", path=route.path, owner=route.owner)
            return
        self._paths.add(route)
        self._absent.pop(route.path, None)
        self._budgets.setdefault(route.owner, OwnerBudget(self._limits.budget))

    def claim(self, prefix: str, owner: str, methods: frozenset[str] = frozenset({"POST"})) -> None:
        """Answer 404 ourselves for what is not there at or below `prefix`.

        Where the owner has no routes, 405 answers other methods than these.

        Raises:
            Refused: If it is another owner's.
        """
        self._paths.claim(prefix, owner, methods)

    def unmount(self, owner: str, path: str | None = None) -> int:
        """Serve one route of `owner` no longer, or none of them; how many those were.

        Requests that are inside go on to their end.
        """
        self._absent = {
            name: held
            for name, held in self._absent.items()
            if held != owner or path not in (None, name)
        }
        return self._paths.remove(owner, path)

    def troubles(self) -> tuple[str, ...]:
        """Routes that were asked for and are not served, and why; for people."""
        return tuple(
            f"the webhook {path} of {owner} is not served: its secret is not set"
            for path, owner in self._absent.items()
        )

    @property
    def reading(self) -> int:
        """Bodies that are being read now."""
        return len(self._slots)

    def owns(self, path: str) -> bool:
        """Whether a request for `path`, as it was sent, is answered here."""
        return self._paths.find(path) is not None

    # ---- requests ----

    async def handle(self, head: RequestHead, read: ReadBody) -> WebhookAnswer:
        """Answer one request.

        Args:
            head: Its head.
            read: Gives its body when it is time for that.
        """
        visit = _Visit(head, self._observe)
        answer = await self._walk(visit, read)
        self._metrics.webhook_requests.labels(visit.owner, visit.at.value).inc()
        return answer

    async def _walk(self, visit: _Visit, read: ReadBody) -> WebhookAnswer:
        route = self._route(visit)
        if isinstance(route, WebhookAnswer):
            return route
        proven = await self._prove(visit, route, read)
        if isinstance(proven, WebhookAnswer):
            return proven
        if self._running >= self._limits.max_running:
            return _busy(_RETRY_S)
        self._running += 1
        try:
            answer = await self._once(visit, route, *proven)
        except GatewayError as error:
            return _refusal(route, error)
        finally:
            self._running -= 1
        if route.is_judged_late and answer.status in {401, 403}:
            self._judged(visit, route)
        return answer

    def _judged(self, visit: _Visit, route: WebhookRoute) -> None:
        """The handler found the secret wrong: the address pays now for what it tried."""
        budget, now_s = self._budgets[route.owner], self._clock.monotonic()
        attempt = budget.begin(visit.head.client_ip, is_guessable=True, now_s=now_s)
        if not isinstance(attempt, Wait):
            budget.failed(attempt, now_s)
        self._record(AuditKind.WEBHOOK_REFUSED, visit, reason="signature")

    async def _prove(
        self, visit: _Visit, route: WebhookRoute, read: ReadBody
    ) -> tuple[RawRequest, Verified] | WebhookAnswer:
        """The steps that strangers can reach."""
        budget = self._budgets[route.owner]
        entry = self._enter(visit, route, budget)
        if isinstance(entry, WebhookAnswer):
            return entry
        raw = await self._body(visit, route, entry, read)
        if isinstance(raw, WebhookAnswer):
            return raw
        verified = self._signature(visit, route, budget, entry, raw)
        return verified if isinstance(verified, WebhookAnswer) else (raw, verified)

    def _route(self, visit: _Visit) -> WebhookRoute | WebhookAnswer:
        visit.enter(Step.METHOD)
        found = self._paths.find(visit.head.path)
        if found is not None:
            visit.owner = found.owner
            if visit.head.method not in found.methods:
                return plain(405, "Method Not Allowed", Allow=", ".join(sorted(found.methods)))
        visit.enter(Step.ROUTE)
        if found is None or found.route is None:
            return plain(404, "Not Found")
        return found.route

    def _enter(
        self, visit: _Visit, route: WebhookRoute, budget: OwnerBudget
    ) -> Entry | WebhookAnswer:
        visit.enter(Step.BUDGET)
        entry = budget.enter(
            visit.head.client_ip,
            is_guessable=route.is_guessable,
            now_s=self._clock.monotonic(),
        )
        if isinstance(entry, Wait):
            return self._locked(visit, entry)
        return entry

    async def _body(
        self, visit: _Visit, route: WebhookRoute, entry: Entry, read: ReadBody
    ) -> RawRequest | WebhookAnswer:
        visit.enter(Step.BODY)
        max_bytes = min(route.max_bytes, entry.max_bytes or route.max_bytes)
        if (visit.head.content_length or 0) > max_bytes:
            return _too_long(max_bytes, is_suspect=max_bytes < route.max_bytes)
        slot: Slot | None = None
        try:
            async with asyncio.timeout(self._limits.body_deadline_s) as deadline:
                slot = self._slots.enter(f"{route.owner}|{entry.key}", deadline)
                body = await read(max_bytes)
        except TooLong:
            return _too_long(max_bytes, is_suspect=max_bytes < route.max_bytes)
        except TimeoutError:
            if slot is not None and slot.is_cut:
                return _busy(_LOCK_CUT_S, status=429)
            return plain(408, "the body did not arrive in time: send it again, faster")
        finally:
            if slot is not None:
                self._slots.leave(slot)
        head = visit.head
        return RawRequest(
            method=head.method,
            path=head.path,
            query=head.query,
            headers=head.headers,
            client_ip=head.client_ip,
            content_length=head.content_length,
            body=body,
            received_at_ms=self._clock.now_ms(),
        )

    def _signature(
        self,
        visit: _Visit,
        route: WebhookRoute,
        budget: OwnerBudget,
        entry: Entry,
        raw: RawRequest,
    ) -> Verified | WebhookAnswer:
        """From the reservation to its settlement nothing waits: a burst cannot overdraw it."""
        now_s = self._clock.monotonic()
        if route.is_judged_late:
            # Nothing is reserved: many honest requests of one sender may be with the handler.
            visit.enter(Step.SIGNATURE)
            return Verified()
        attempt = budget.begin(visit.head.client_ip, is_guessable=route.is_guessable, now_s=now_s)
        if isinstance(attempt, Wait):
            return self._locked(visit, attempt)
        visit.enter(Step.SIGNATURE)
        outcome = _verify(route.verify, raw)
        if isinstance(outcome, Verified):
            budget.passed(entry, attempt, now_s)
            return outcome
        budget.failed(attempt, now_s)
        self._record(AuditKind.WEBHOOK_REFUSED, visit, reason=outcome.reason)
        return _rejection(route, outcome)

    async def _once(
        self, visit: _Visit, route: WebhookRoute, raw: RawRequest, verified: Verified
    ) -> WebhookAnswer:
        visit.enter(Step.REPLAY)
        if verified.replay is None:
            return await self._work(visit, route, raw, verified, None)
        claim = self._replays.begin(route.owner, verified, verified.replay)
        if claim is None:
            # Nobody knows yet whether the first one will be handled well.
            return _busy(_RETRY_S)
        try:
            if await self._replays.is_repeated(claim, remembers=route.remembers):
                self._record(AuditKind.WEBHOOK_REPLAYED, visit, account=verified.account)
                return plain(200, "duplicate")
            return await self._settled(visit, route, raw, verified, claim)
        finally:
            self._replays.end(claim)

    async def _settled(
        self,
        visit: _Visit,
        route: WebhookRoute,
        raw: RawRequest,
        verified: Verified,
        claim: Claim,
    ) -> WebhookAnswer:
        """Handle it, and remember what became of it, also if it was cut short."""
        status = 500
        try:
            answer = await self._work(visit, route, raw, verified, claim)
            status = answer.status
        finally:
            if not route.remembers:
                await asyncio.shield(self._settle(visit, claim, status))
        return answer

    async def _settle(self, visit: _Visit, claim: Claim, status: int) -> None:
        """If this fails the work is done all the same, and a repetition would do it again."""
        try:
            await self._replays.settle(claim, status)
        except GatewayError as error:
            _log.error("webhook outcome was not written", owner=visit.owner, why=error.message)

    async def _work(
        self,
        visit: _Visit,
        route: WebhookRoute,
        raw: RawRequest,
        verified: Verified,
        claim: Claim | None,
    ) -> WebhookAnswer:
        visit.enter(Step.PARSE)
        try:
            value = route.parse(raw)
        except BadBody as error:
            return route.refuse(400, error.message)
        request = VerifiedRequest(
            raw=raw,
            verified=verified,
            value=value,
            enter=visit.enter,
            remember=claim.keep if claim is not None else _always,
        )
        try:
            async with asyncio.timeout(route.timeout_s):
                answer = await route.handle(request)
        except TimeoutError:
            _log.warning("webhook handler took too long", owner=route.owner, path=route.path)
            return _busy(_LOCK_CUT_S)
        except GatewayError as error:
            return _refusal(route, error)
        visit.enter(Step.ANSWER)
        return answer

    def _locked(self, visit: _Visit, wait: Wait) -> WebhookAnswer:
        if wait.is_new:
            self._record(AuditKind.WEBHOOK_REFUSED, visit, reason="locked-out")
        return _busy(wait.retry_after_s, status=429)

    def _record(self, kind: AuditKind, visit: _Visit, **fields: str) -> None:
        """Sparingly: neither one address nor many may wash older lines out of the trail."""
        now_s = self._clock.monotonic()
        about = f"{kind}|{visit.owner}|{fields.get('reason', '')}"
        if self._audited.take(f"{about}|{address_key(visit.head.client_ip)}", now_s):
            return
        if self._audited_all.take(about, now_s) == 0.0:
            self._audit.record(kind, owner=visit.owner, address=visit.head.client_ip, **fields)


def _verify(check: Verify | None, raw: RawRequest) -> Verified | Rejected:
    """A check that breaks on what a stranger sent has not said yes."""
    if check is None:
        return Rejected(reason="no-check")
    try:
        return check(raw)
    except Exception as error:  # noqa: BLE001 - a check may be a plugin's; it must fail closed
        _log.error("webhook signature check failed", path=raw.path, exc_info=error)
        return Rejected(reason="check-failed")


def _rejection(route: WebhookRoute, rejected: Rejected) -> WebhookAnswer:
    answer = plain(rejected.status, rejected.text)
    if rejected.status == 401:  # noqa: PLR2004 - RFC 9110, section 15.5.2 asks for the header
        return replace(answer, headers={"WWW-Authenticate": route.challenge})
    return answer


def _refusal(route: WebhookRoute, error: GatewayError) -> WebhookAnswer:
    """400 for what is wrong in the request; 503 for what may go well a moment later."""
    if isinstance(error, Refused) and not error.retryable and not error.retry_after_ms:
        return route.refuse(400, error.message)
    answer = route.refuse(503, error.message)
    wait_s = (error.retry_after_ms or 1_000) / 1000
    return replace(answer, headers={**answer.headers, "Retry-After": _seconds(wait_s)})


def _too_long(max_bytes: int, *, is_suspect: bool) -> WebhookAnswer:
    if is_suspect:
        return _busy(_LOCK_CUT_S, status=429)
    return plain(413, f"the body is longer than {max_bytes} bytes: send less")


def _busy(retry_after_s: float, *, status: int = 503) -> WebhookAnswer:
    text = (
        "too many requests from this address: wait, then try again"
        if status == 429  # noqa: PLR2004 - RFC 6585, section 4
        else "busy: send it again in a moment"
    )
    return plain(status, text, Retry_After=_seconds(retry_after_s))


def _seconds(wait_s: float) -> str:
    """RFC 9110, section 10.2.3: whole seconds."""
    return str(max(1, round(wait_s + 0.499)))


def _always(_tx: object) -> bool:
    return True
