"""The shared credential: the one token or password all of the operator's clients know.

One holder, asked at every request, so that a reload or a rotation takes effect at once and
the old secret is worthless everywhere (advisories B09, B10). None configured means one is
generated and kept in the vault, never in the config file.
"""

from __future__ import annotations

from typing import Final, Literal

from carapace.auth.compare import digest, same_secret
from carapace.auth.revocation import Revocations
from carapace.auth.types import Caller, CredentialKind
from carapace.config.secret import Secret
from carapace.config.settings.gateway import AuthSettings
from carapace.credentials.ports import Vault
from carapace.errors import Refused
from carapace.ids import new_secret
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.redact import Redactor

__all__ = ["VAULT_NAME", "SharedCredential"]

VAULT_NAME: Final = "gateway-token"


class SharedCredential:
    """Holds the shared credential. Made by `open`.

    Args:
        vault: Where a generated token lives.
        audit: Hears of changes.
        revocations: Ends the live connections that a change disowns.
        redactor: Told of the secret, so that no log or audit line shows it.
    """

    __slots__ = (
        "_audit",
        "_digest",
        "_kind",
        "_redactor",
        "_revocations",
        "_secret",
        "_source",
        "_vault",
    )

    def __init__(
        self, vault: Vault, *, audit: Audit, revocations: Revocations, redactor: Redactor
    ) -> None:
        self._vault = vault
        self._audit = audit
        self._revocations = revocations
        self._redactor = redactor
        self._kind = CredentialKind.TOKEN
        self._secret = Secret("")
        self._digest: str | None = None
        self._source: Literal["settings", "vault"] = "vault"

    @classmethod
    async def open(
        cls,
        settings: AuthSettings,
        vault: Vault,
        *,
        audit: Audit,
        revocations: Revocations,
        redactor: Redactor,
    ) -> SharedCredential:
        """Read, or make, the credential.

        Raises:
            Refused: If password mode has no password.
            Failed: If the vault cannot be used. The
                gateway must then not start: it would serve without a credential.
        """
        holder = cls(vault, audit=audit, revocations=revocations, redactor=redactor)
        await holder._take(settings)
        return holder

    @property
    def kind(self) -> CredentialKind:
        """Token or password."""
        return self._kind

    @property
    def source(self) -> Literal["settings", "vault"]:
        """Whether a person configured it, or it was generated."""
        return self._source

    def reveal(self) -> Secret:
        """For `cara token show` and for building local clients; never for comparing."""
        return self._secret

    def matches(self, token: str | None, password: str | None) -> bool:
        """Whether the one that counts in this mode is right."""
        given = token if self._kind is CredentialKind.TOKEN else password
        return same_secret(given, self._digest)

    def matches_bearer(self, secret: str | None) -> bool:
        """Whether an HTTP bearer is the credential, of either kind."""
        return same_secret(secret, self._digest)

    async def apply(self, settings: AuthSettings) -> None:
        """Follow a changed configuration; what the old credential opened is closed.

        Raises:
            GatewayError: As `open`; the present credential then stays in force.
        """
        before = (self._kind, self._digest)
        await self._take(settings)
        if before != (self._kind, self._digest):
            self._disown("gateway credential changed")

    async def rotate(self) -> Secret:
        """Replace a generated token; every client of the old one is disconnected.

        Raises:
            Refused: If a person configured the credential: it must be changed there.
        """
        if self._source != "vault":
            raise Refused(
                f"the {self._kind} comes from the configuration or the environment, so it "
                f"cannot be rotated here: change gateway.auth.{self._kind} instead"
            )
        fresh = new_secret()
        await self._vault.put(VAULT_NAME, fresh)
        self._set(CredentialKind.TOKEN, fresh, "vault")
        self._disown("gateway token rotated")
        return self._secret

    async def _take(self, settings: AuthSettings) -> None:
        if _wants_password(settings):
            if not settings.password:
                raise Refused(
                    "gateway.auth.mode is `password`, but no password is set: set "
                    "gateway.auth.password or CARAPACE_GATEWAY_PASSWORD, or use mode `token`"
                )
            self._set(CredentialKind.PASSWORD, settings.password, "settings")
        elif settings.token and settings.token.strip():
            self._set(CredentialKind.TOKEN, settings.token, "settings")
        else:
            token = await self._vault.get_or_put(VAULT_NAME, new_secret)
            self._set(CredentialKind.TOKEN, token, "vault")

    def _set(self, kind: CredentialKind, secret: str, source: Literal["settings", "vault"]) -> None:
        self._redactor.add_secret(secret)
        self._kind = kind
        self._secret = Secret(secret)
        self._digest = digest(secret)
        self._source = source

    def _disown(self, reason: str) -> None:
        self._audit.record(AuditKind.CREDENTIAL_CHANGED, credential=str(self._kind), reason=reason)
        self._revocations.disown(_came_with_it, reason)


def _came_with_it(caller: Caller) -> bool:
    return caller.credential.is_shared


def _wants_password(settings: AuthSettings) -> bool:
    if settings.mode is not None:
        return settings.mode == "password"
    return bool(settings.password) and not settings.token
