"""What the gateway says to people: texts, photos, and that an answer is being written.

The Bot API drops no repeats and tells nobody what arrived, so an outcome is only called
`RetryAfter` when Zalo surely does not have the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from carapace_zalo.accounts import Account, Accounts
from carapace_zalo.ports import PortError, Ports
from carapace_zalo.wire import SEND_TIMEOUT_MS, Failure, call, request

__all__ = ["MAX_TEXT", "REPEAT_NOTE", "Delivered", "NotDelivered", "Outgoing", "Sending", "length"]

MAX_TEXT: Final = 2_000
"""In UTF-16 units; see `length`."""
REPEAT_NOTE: Final = "(This may be a repeat.)"
PHOTO_LINK_MS: Final = 3_600_000
"""Zalo fetches a photo more than once, and not at once."""
_PROGRESS: Final = "sent/"
_PROGRESS_MS: Final = 24 * 3_600_000
_MAX_MESSAGE_ID: Final = 256

_NOT_TAKEN: Final = frozenset({408, 425, 429, 503})
"""RFC 9110 15.5.9, RFC 8470 5.2, RFC 6585 4, RFC 9110 15.6.4: it was not looked at."""
_NOT_SENT: Final = frozenset({"unavailable", "no-account", "closed"})
"""Errors of the gateway that came before the first byte of a request."""
_NEVER: Final = frozenset(
    {"invalid-argument", "not-granted", "not-configured", "not-found", "refused", "quota"}
)
"""Errors of the gateway that will be the same at each attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One thing to send; as `channel.outgoing` of the contract."""

    account: str
    conversation_id: str
    text: str = ""
    media: tuple[str, ...] = ()
    idempotency_key: str = ""
    may_be_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """Zalo has it."""

    message_id: str | None


@dataclass(frozen=True, slots=True)
class NotDelivered:
    """Zalo has it not, or nobody knows.

    Attributes:
        kind: `retry-after`, `dead` or `unknown`, as in the contract.
        error: Why.
    """

    kind: str
    error: PortError


Outcome = Delivered | NotDelivered


class Sending:
    """Sends for all accounts."""

    def __init__(self, ports: Ports, accounts: Accounts) -> None:
        self._ports = ports
        self._accounts = accounts

    def text(self, outgoing: Outgoing) -> Outcome:
        """Send a text of at most `MAX_TEXT`."""
        try:
            account = self._accounts.get(outgoing.account)
        except PortError as error:
            return outcome_of_error(error)
        if not outgoing.text.strip():
            return _dead("empty", "There is no text to send.")
        if length(outgoing.text) > MAX_TEXT:
            return _too_long(outgoing.text)
        noted, text = self._note(account, outgoing)
        if noted is not None:
            return noted
        return self._message(account, outgoing.conversation_id, text)

    def photos(self, outgoing: Outgoing) -> Outcome:
        """Send photos, the text with the first; an attempt goes on where the last one ended."""
        try:
            account = self._accounts.get(outgoing.account)
            done = self._progress(outgoing)
            if length(outgoing.text) > MAX_TEXT:
                return _too_long(outgoing.text)
            links = [self._link(handle) for handle in outgoing.media[done:]]
        except PortError as error:
            return outcome_of_error(error)
        outcome: Outcome = Delivered(None)
        text = outgoing.text
        if not done:
            noted, text = self._note(account, outgoing)
            if noted is not None:
                return noted
        for index, link in enumerate(links, start=done):
            caption = text if index == 0 else ""
            outcome = self._photo(account, outgoing.conversation_id, link, caption)
            if isinstance(outcome, NotDelivered):
                return outcome
            self._went(outgoing, index + 1)
        return outcome

    def typing(self, account_name: str, conversation_id: str) -> None:
        """Show for some seconds that an answer is being written.

        Raises:
            PortError: If the account does not run, or Zalo was not reached.
        """
        account = self._accounts.get(account_name)
        fields = {"chat_id": conversation_id, "action": "typing"}
        said = call(self._ports, request(account, "sendChatAction", fields))
        if isinstance(said, Failure):
            self._ports.log.emit("debug", f"typing was not shown: {said.message}")

    def _note(self, account: Account, outgoing: Outgoing) -> tuple[NotDelivered | None, str]:
        """The text, said to be a repeat if it may be one; as a message before it if it is long."""
        text = outgoing.text
        if not outgoing.may_be_repeat:
            return None, text
        noted = f"{REPEAT_NOTE}\n{text}" if text else REPEAT_NOTE
        if length(noted) <= MAX_TEXT:
            return None, noted
        outcome = self._message(account, outgoing.conversation_id, REPEAT_NOTE)
        return (outcome, text) if isinstance(outcome, NotDelivered) else (None, text)

    def _message(self, account: Account, conversation_id: str, text: str) -> Outcome:
        return self._post(account, "sendMessage", {"chat_id": conversation_id, "text": text})

    def _photo(self, account: Account, conversation_id: str, link: str, caption: str) -> Outcome:
        fields = {"chat_id": conversation_id, "photo": link}
        return self._post(account, "sendPhoto", fields | ({"caption": caption} if caption else {}))

    def _post(self, account: Account, method: str, fields: Mapping[str, str]) -> Outcome:
        try:
            asked = request(account, method, fields, timeout_ms=SEND_TIMEOUT_MS)
            said = call(self._ports, asked)
        except PortError as error:
            return outcome_of_error(error)
        if isinstance(said, Failure):
            return outcome_of_failure(said)
        return Delivered(_message_id(said.result))

    def _link(self, handle: str) -> str:
        kind = self._ports.files.content_type(handle)
        if not kind.startswith("image/"):
            raise PortError(
                "invalid-argument", f"Bots can send only photos on Zalo, and this file is {kind}."
            )
        return self._ports.files.link(handle, PHOTO_LINK_MS)

    def _progress(self, outgoing: Outgoing) -> int:
        if len(outgoing.media) < 2:  # noqa: PLR2004 - one photo is there or not
            return 0
        return int(self._ports.store.get(_PROGRESS + outgoing.idempotency_key) or "0")

    def _went(self, outgoing: Outgoing, count: int) -> None:
        if len(outgoing.media) > 1:
            self._ports.store.put(_PROGRESS + outgoing.idempotency_key, str(count), _PROGRESS_MS)


def length(text: str) -> int:
    """How long a text is for Zalo: in UTF-16 units.

    The API's description says 2,000 characters and not which. Clients that count UTF-16 units
    have always been let through, and no count of code points or of what a reader sees as one
    character is larger, so a text that is short enough here is short enough by all of them.
    """
    # Not by encoding: a component holds only the codecs that were used while it was built.
    return len(text) + sum(char > "\uffff" for char in text)


def outcome_of_failure(said: Failure) -> NotDelivered:
    """What an answer that is no success means for a message."""
    error = PortError("zalo", said.message, retryable=True, retry_after_ms=said.retry_after_ms)
    if said.code in _NOT_TAKEN:
        return NotDelivered("retry-after", error)
    if said.code >= 500 or said.code < 400:  # noqa: PLR2004 - RFC 9110, sections 15.3 and 15.6
        return NotDelivered("unknown", error)
    return NotDelivered("dead", PortError("zalo", said.message))


def outcome_of_error(error: PortError) -> NotDelivered:
    """What an error of the gateway means for a message."""
    if error.code in _NEVER and not error.retryable:
        return NotDelivered("dead", error)
    if error.code in _NOT_SENT or error.code in _NEVER:
        return NotDelivered("retry-after", error)
    return NotDelivered("unknown", error)


def _dead(code: str, message: str) -> NotDelivered:
    return NotDelivered("dead", PortError(code, message))


def _too_long(text: str) -> NotDelivered:
    return _dead(
        "too-long",
        f"The text has {length(text)} of {MAX_TEXT} characters that Zalo takes. Set "
        "`textChunkLimit` to that or less.",
    )


def _message_id(result: object) -> str | None:
    value = (
        cast("dict[str, object]", result).get("message_id") if isinstance(result, dict) else None
    )
    return str(value)[:_MAX_MESSAGE_ID] if isinstance(value, str | int) and value else None
