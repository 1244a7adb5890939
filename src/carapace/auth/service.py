"""The authenticator: a connect or a bearer in, a caller out, or a refusal clients know.

The order of the checks is the Node gateway's (protocol.md 2.2): ids and modes, protocol,
role, whether a device is needed, the device's proof, the credential, pairing. Between the
reservation of an attempt and its outcome nothing is awaited, so parallel guesses cannot
overdraw the budget (advisory A13); what had to be looked up was looked up before.
"""

from __future__ import annotations

from typing import Final

from carapace.auth import scopes as scope_rules
from carapace.auth.device import Device, prove
from carapace.auth.limiter import FailureLimiter, LimitRules, Locked
from carapace.auth.pairing import Asking, Entered, Pairing
from carapace.auth.ports import Whois
from carapace.auth.records import PairedDevice
from carapace.auth.revocation import Revocations
from carapace.auth.shared import SharedCredential
from carapace.auth.tailscale import verified_login
from carapace.auth.texts import Missing, is_control_ui, unauthorized
from carapace.auth.tokens import DeviceTokens
from carapace.auth.types import (
    CLOSE_PROTOCOL,
    Admission,
    Caller,
    ConnectRefused,
    CredentialKind,
    NodeClaims,
    Origin,
)
from carapace.clock import Clock
from carapace.config.settings.gateway import GatewaySettings
from carapace.ids import ConnId, new_id
from carapace.protocol.connect import (
    CLIENT_IDS,
    CLIENT_MODES,
    PROTOCOLS,
    ClientAuth,
    ConnectParams,
)
from carapace.protocol.errors import ErrorCode
from carapace.protocol.scopes import Role, effective
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.metrics import Metrics
from carapace.value import Value

__all__ = ["Authenticator", "limit_rules"]

_MAX_CLAIMS: Final = 64
_MAX_NAME: Final = 128
_NOT_AUDITED: Final = frozenset({"params", "protocol", "role", "locked-out"})
"""Clumsy clients, and guessers after their lock was recorded: they must not fill the disk."""


class _Case(Value, frozen=True):
    """One connect, as far as its checks have come."""

    params: ConnectParams
    origin: Origin
    role: Role
    auth: ClientAuth
    device: Device | None = None
    on_record: PairedDevice | None = None
    login: str | None = None


class Authenticator:
    """Decides who gets in.

    Args:
        settings: `gateway`; followed by `apply`.
        shared: The shared credential.
        tokens: Checks device tokens.
        pairing: Lets devices in.
        revocations: Says whether something was taken back meanwhile.
        whois: Asks the tailnet; None where there is none.
        clock: Wall time for signatures, monotonic for the limiter.
        audit: Hears of refusals.
        metrics: Counts them.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        shared: SharedCredential,
        tokens: DeviceTokens,
        pairing: Pairing,
        revocations: Revocations,
        whois: Whois | None,
        clock: Clock,
        audit: Audit,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._shared = shared
        self._tokens = tokens
        self._pairing = pairing
        self._revocations = revocations
        self._whois = whois
        self._clock = clock
        self._audit = audit
        self._metrics = metrics
        self._limiter = FailureLimiter(limit_rules(settings))

    async def apply(self, settings: GatewaySettings) -> None:
        """Follow a changed configuration.

        Raises:
            Failed: If the new credential cannot be used; everything old then stays in force.
        """
        await self._shared.apply(settings.auth)
        self._settings = settings
        self._limiter.apply(limit_rules(settings))

    async def connect(
        self, params: ConnectParams, origin: Origin, *, nonce: str, conn_id: ConnId
    ) -> Admission:
        """Judge a connect.

        Args:
            params: As decoded; only its shape has been checked.
            origin: Where it came from.
            nonce: What this connection was challenged with.
            conn_id: The connection's id.

        Returns:
            Who it is. The connection must be registered before anything else is awaited,
            or a revocation could miss it.

        Raises:
            ConnectRefused: With the text, code and close code for the client.
        """
        try:
            return await self._connect(params, origin, nonce=nonce, conn_id=conn_id)
        except ConnectRefused as refused:
            self._note(refused, origin, client_id=_known_id(params))
            raise

    async def bearer(self, secret: str | None, origin: Origin) -> Caller:
        """Judge the bearer of an HTTP request: the shared credential, and nothing else.

        Raises:
            ConnectRefused: If it is wrong or the address is locked out.
        """
        try:
            self._guard_bearer(secret, origin)
        except ConnectRefused as refused:
            self._note(refused, origin, client_id="http")
            raise
        granted = self._cut(self._device_less(None), origin)
        return Caller(
            conn_id=ConnId(new_id()),
            role=Role.OPERATOR,
            scopes=effective(granted),
            granted=granted,
            client_id="http",
            client_mode="backend",
            device_id=None,
            credential=self._shared.kind,
            is_local=origin.is_local,
        )

    async def _connect(
        self, params: ConnectParams, origin: Origin, *, nonce: str, conn_id: ConnId
    ) -> Admission:
        _check_client(params)
        _check_protocol(params)
        role = _role(params)
        auth = params.auth or ClientAuth()
        self._check_presence(params, role, auth)
        device = prove(
            params, role=role, nonce=nonce, now_ms=self._clock.now_ms(), is_local=origin.is_local
        )
        epoch = self._revocations.epoch
        on_record = await self._pairing.find(device.id) if device else None
        login = await self._login(origin)
        case = _Case(params, origin, role, auth, device, on_record, login)
        kind = self._judge(case)
        admission = await self._admit(case, kind, conn_id)
        if self._revocations.epoch != epoch:
            raise ConnectRefused(
                "unauthorized: credentials changed during the handshake (connect again)",
                reason="credentials-changed",
            )
        return admission

    def _check_presence(self, params: ConnectParams, role: Role, auth: ClientAuth) -> None:
        """Who may come without a device: an operator that offers the shared credential.

        Only the text depends on whether something was offered; what lets anybody in is the
        comparison in `_judge` (A03).
        """
        if params.device is not None:
            return
        if is_control_ui(params.client):
            is_offered = bool(auth.token or auth.password)
            if not (self._settings.control_ui.allow_insecure_auth and is_offered):
                raise ConnectRefused(
                    "control ui requires HTTPS or localhost (secure context)",
                    reason="control-ui-insecure",
                )
        elif not auth.token:
            raise _device_required()
        if role is Role.NODE:
            raise _device_required()

    async def _login(self, origin: Origin) -> str | None:
        if self._whois is None or origin.is_local or not self._allows_tailscale():
            return None
        return await verified_login(origin, self._whois)

    def _allows_tailscale(self) -> bool:
        allowed = self._settings.auth.allow_tailscale
        if allowed is not None:
            return allowed
        is_served = self._settings.tailscale.mode == "serve"
        return is_served and self._shared.kind is CredentialKind.TOKEN

    def _judge(self, case: _Case) -> CredentialKind:
        """Compare every secret there is; nothing in here may await."""
        now_s = self._clock.monotonic()
        attempt = self._limiter.begin(case.origin.client_ip, now_s)
        if isinstance(attempt, Locked):
            raise self._locked(attempt, case.origin)
        kind = self._matching(case)
        if kind is not None:
            self._limiter.succeed(attempt, now_s)
            return kind
        is_token = self._shared.kind is CredentialKind.TOKEN
        given = case.auth.token if is_token else case.auth.password
        if given or case.auth.token:
            self._limiter.fail(attempt, now_s)
        else:
            self._limiter.release(attempt)
        what = Missing.MISMATCH if given else Missing.MISSING
        raise ConnectRefused(
            unauthorized(str(self._shared.kind), what, case.params.client),
            reason=f"{self._shared.kind}-{what}",
        )

    def _matching(self, case: _Case) -> CredentialKind | None:
        is_shared = self._shared.matches(case.auth.token, case.auth.password)
        grant = case.on_record.grants.get(case.role) if case.on_record else None
        # A node holds none, whatever it asks for, so its token need not cover any.
        wish = () if case.role is Role.NODE else tuple(case.params.scopes or ())
        is_device = self._tokens.accepts(case.auth.token, grant, wish)
        if is_shared:
            return self._shared.kind
        if case.device is None:
            return None
        if is_device:
            return CredentialKind.DEVICE_TOKEN
        return CredentialKind.TAILSCALE if case.login else None

    async def _admit(self, case: _Case, kind: CredentialKind, conn_id: ConnId) -> Admission:
        asked = None if case.params.scopes is None else tuple(case.params.scopes)
        if case.device is None:
            granted = self._cut(self._device_less(asked), case.origin)
            return Admission(_caller(case, kind, conn_id, granted))
        asking = Asking(
            device=case.device,
            role=case.role,
            wish=asked,
            commands=tuple(dict.fromkeys(case.params.commands or ())),
            client=case.params.client,
            remote_ip=case.origin.client_ip,
            is_local=case.origin.is_local,
            credential=kind,
        )
        entered = await self._pairing.enter(asking, case.on_record)
        granted = self._cut(entered.granted, case.origin)
        caller = _caller(case, kind, conn_id, granted, entered)
        return Admission(caller, self._tokens.hello(case.device.id, entered.grant))

    def _device_less(self, asked: tuple[str, ...] | None) -> tuple[str, ...]:
        ceiling = scope_rules.known(scope.value for scope in self._settings.auth.device_less_scopes)
        return ceiling if asked is None else scope_rules.narrow(asked, ceiling)

    def _cut(self, granted: tuple[str, ...], origin: Origin) -> tuple[str, ...]:
        """Where others can read along, nothing beyond read and write is used (A18)."""
        if origin.is_private or self._settings.control_ui.allow_insecure_auth:
            return granted
        kept = scope_rules.within_plaintext(granted)
        if kept != granted:
            self._audit.record(
                AuditKind.SCOPE_DENIED,
                address=origin.client_ip,
                scopes=" ".join(scope_rules.outside(granted, kept)),
                reason="plaintext",
            )
        return kept

    def _guard_bearer(self, secret: str | None, origin: Origin) -> None:
        now_s = self._clock.monotonic()
        attempt = self._limiter.begin(origin.client_ip, now_s)
        if isinstance(attempt, Locked):
            raise self._locked(attempt, origin)
        if self._shared.matches_bearer(secret):
            self._limiter.succeed(attempt, now_s)
            return
        what = Missing.MISMATCH if secret else Missing.MISSING
        if secret:
            self._limiter.fail(attempt, now_s)
        else:
            self._limiter.release(attempt)
        text = unauthorized(str(self._shared.kind), what, None)
        raise ConnectRefused(text, reason=f"{self._shared.kind}-{what}")

    def _locked(self, locked: Locked, origin: Origin) -> ConnectRefused:
        if locked.is_new:
            self._audit.record(
                AuditKind.AUTH_LOCKED_OUT,
                address="all" if locked.is_common else origin.client_ip,
                retry_after_ms=locked.retry_after_ms,
            )
        wait_s = -(-locked.retry_after_ms // 1000)
        return ConnectRefused(
            f"unauthorized: too many failed attempts (try again in {wait_s} s)",
            reason="locked-out",
            retry_after_ms=locked.retry_after_ms,
        )

    def _note(self, refused: ConnectRefused, origin: Origin, *, client_id: str) -> None:
        self._metrics.auth_failures.labels(refused.reason).inc()
        if refused.reason in _NOT_AUDITED:
            return
        self._audit.record(
            AuditKind.AUTH_FAILED,
            reason=refused.reason,
            address=origin.client_ip,
            client=client_id,
        )


def limit_rules(settings: GatewaySettings) -> LimitRules:
    """The budgets of the settings; the common one is ten times an address's."""
    limits = settings.auth.rate_limit
    return LimitRules(
        max_failures=limits.max_attempts,
        max_failures_everywhere=10 * limits.max_attempts,
        window_s=limits.window_ms / 1000,
        lockout_s=limits.lockout_ms / 1000,
    )


def _check_client(params: ConnectParams) -> None:
    """Ids and modes are closed lists, refused in the validator's words."""
    wrong = [
        f"at /client/{name}: must be equal to constant; "
        f"at /client/{name}: must match a schema in anyOf"
        for name, value, allowed in (
            ("id", params.client.id, CLIENT_IDS),
            ("mode", params.client.mode, CLIENT_MODES),
        )
        if value not in allowed
    ]
    if wrong:
        raise ConnectRefused("invalid connect params: " + "; ".join(wrong), reason="params")


def _check_protocol(params: ConnectParams) -> None:
    if not any(params.min_protocol <= version <= params.max_protocol for version in PROTOCOLS):
        raise ConnectRefused(
            "protocol mismatch",
            reason="protocol",
            close_code=CLOSE_PROTOCOL,
            details={"expectedProtocol": PROTOCOLS[-1]},
        )


def _role(params: ConnectParams) -> Role:
    try:
        return Role(params.role or Role.OPERATOR)
    except ValueError:
        raise ConnectRefused("invalid role", reason="role") from None


def _device_required() -> ConnectRefused:
    return ConnectRefused(
        "device identity required", reason="device-required", code=ErrorCode.NOT_PAIRED
    )


def _caller(
    case: _Case,
    kind: CredentialKind,
    conn_id: ConnId,
    granted: tuple[str, ...],
    entered: Entered | None = None,
) -> Caller:
    client = case.params.client
    return Caller(
        conn_id=conn_id,
        role=case.role,
        scopes=effective(granted),
        granted=granted,
        client_id=client.id,
        client_mode=client.mode,
        device_id=case.device.id if case.device else None,
        credential=kind,
        is_local=case.origin.is_local,
        client=client,
        commands=entered.commands if entered else (),
        claims=_claims(case.params, entered) if entered and case.role is Role.NODE else None,
        login=case.login if kind is CredentialKind.TAILSCALE else None,
    )


def _claims(params: ConnectParams, entered: Entered) -> NodeClaims:
    caps = tuple(dict.fromkeys(name[:_MAX_NAME] for name in (params.caps or ())[:_MAX_CLAIMS]))
    permissions = tuple((params.permissions or {}).items())[:_MAX_CLAIMS]
    return NodeClaims(
        platform=entered.platform,
        caps=caps,
        permissions={name[:_MAX_NAME]: value for name, value in permissions} or None,
    )


def _known_id(params: ConnectParams) -> str:
    return params.client.id if params.client.id in CLIENT_IDS else "unknown"
