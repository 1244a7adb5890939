"""Posts of Zalo's to our webhook: answered with 200 only when the message is written down.

Several accounts may share a path; which one is meant, the secret in the header tells. No call
leaves the gateway from here, so an answer takes milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from carapace_zalo.accounts import Account, Accounts, local_path
from carapace_zalo.events import NotAnUpdate, Skipped, parse_update
from carapace_zalo.people import remember
from carapace_zalo.ports import PortError, Ports
from carapace_zalo.wire import Failure, call, request

__all__ = ["Post", "Reply", "Webhook"]

SECRET_HEADER: Final = "x-bot-api-secret-token"  # noqa: S105 - the name of a header
MAX_BYTES: Final = 1024 * 1024
_MAX_SECRET: Final = 256
_NEVER_TAKEN: Final = frozenset({"refused", "invalid-argument"})
"""What the gateway refuses for good; sent again it would be refused again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A request that came in.

    Attributes:
        method: In capitals.
        path: Below the plugin's route.
        headers: By lower-case names.
        body: As text; None if it is none.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: str | None


@dataclass(frozen=True, slots=True)
class Reply:
    """Our answer."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


class Webhook:
    """The webhooks of all accounts that have one."""

    def __init__(self, ports: Ports, accounts: Accounts) -> None:
        self._ports = ports
        self._accounts = accounts

    def start(self, account: Account) -> None:
        """Tell Zalo where to post.

        Raises:
            PortError: If it does not take the address; says why.
        """
        fields = {"url": account.webhook_url or "", "secret_token": ""}
        hidden = {"secret_token": account.secret_name or ""}
        said = call(self._ports, request(account, "setWebhook", fields, secret_fields=hidden))
        if isinstance(said, Failure):
            raise PortError(
                "refused",
                f"Zalo does not take the webhook of {account.name}: {said.message} The address "
                "must be reachable from outside by https, the secret 8 to 256 characters long.",
                retryable=not said.is_understood or said.code in {408, 429} or said.code >= 500,  # noqa: PLR2004 - RFC 9110, section 15.6
                retry_after_ms=said.retry_after_ms,
            )

    def stop(self, account: Account) -> None:
        """Tell Zalo to post no more; what goes wrong is worth a line in the log."""
        try:
            said = call(self._ports, request(account, "deleteWebhook", {}))
        except PortError as error:
            problem = error.message
        else:
            problem = said.message if isinstance(said, Failure) else ""
        if problem:
            self._ports.log.emit("warn", f"the webhook of {account.name} stays set: {problem}")

    def handle(self, post: Post) -> Reply:
        """Answer one request."""
        if post.method != "POST":
            return Reply(405, "Use POST.", (("Allow", "POST"),))
        listening = [one for one in self._accounts.all() if _listens(one, post.path)]
        if not listening:
            return Reply(404, "There is nothing here.")
        account = self._meant(listening, post.headers.get(SECRET_HEADER, ""))
        if account is None:
            return Reply(401, "The secret token is not right.")
        return self._read(account, post)

    def _read(self, account: Account, post: Post) -> Reply:
        kind = post.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return Reply(415, "Send JSON.")
        if post.body is None:
            return Reply(400, "The body is no text.")
        if len(post.body.encode()) > MAX_BYTES:
            return Reply(413, "The body is too long.")
        return self._take(account, post.body)

    def _meant(self, listening: Sequence[Account], presented: str) -> Account | None:
        """The account whose secret it is; all are compared, so that time tells nothing."""
        if not presented or len(presented) > _MAX_SECRET:
            return None
        right = [
            one
            for one in listening
            if one.secret_name is not None
            and self._ports.secrets.verify(one.secret_name, presented)
        ]
        return right[0] if right else None

    def _take(self, account: Account, body: str) -> Reply:
        try:
            message = parse_update(json.loads(body), account)
        except (NotAnUpdate, ValueError, RecursionError):
            return Reply(400, "The body is no update.")
        if isinstance(message, Skipped):
            self._ports.log.emit("info", f"an update of {account.name}: {message.why}")
            return Reply(200, "ok")
        try:
            status = self._ports.inbox.deliver(message)
        except PortError as error:
            self._ports.log.emit(
                "error", f"a message to {account.name} is not taken: {error.message}"
            )
            if error.code in _NEVER_TAKEN and not error.retryable:
                return Reply(400, "It is not taken.")
            return Reply(500, "It could not be kept. Send it again.")
        remember(self._ports, message, status)
        return Reply(200, "ok")


def _listens(account: Account, path: str) -> bool:
    """An address that is an alias of the plugin's arrives as `/`."""
    here = local_path(path)
    return account.transport == "webhook" and here in {account.webhook_path, "/"}
