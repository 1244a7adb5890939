"""Asking Zalo for updates: one long request after the other, held by the gateway.

Zalo forgets an update when it has been read, so each is handed to the inbox before anything
else happens. What the inbox does not take is kept in the store, and nothing more is asked for
until it has.

What lasts between calls travels with the poll and its alarm: how often in a row it failed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, cast

from carapace_zalo.accounts import Account, Accounts
from carapace_zalo.events import NotAnUpdate, Skipped, parse_update
from carapace_zalo.people import remember
from carapace_zalo.ports import Answer, PortError, Ports
from carapace_zalo.wire import POLL_SECONDS, Failure, Success, call, read, request, updates_request

__all__ = ["Polling"]

NOTHING_NEW: Final = 408
_CONFLICT: Final = 409
_BAD_REQUEST: Final = 400
_OURS_TO_MEND: Final = frozenset({401, 403, 404, _CONFLICT})
"""What goes on until somebody does something: shown at once, asked for less often."""
_POLL: Final = "updates/"
_ALARM: Final = "resume/"
_KEPT: Final = "waiting/"
_KEPT_MS: Final = 7 * 24 * 3_600_000
_FIRST_PAUSE_MS: Final = 5_000
_LONGEST_PAUSE_MS: Final = 60_000
_LONGEST_MENDING_MS: Final = 300_000
_CAREFUL_SECONDS: Final = 1
"""After a failure the first request is short, so that it is soon known to work again."""


class Polling:
    """The updates of all accounts that ask for theirs."""

    def __init__(self, ports: Ports, accounts: Accounts) -> None:
        self._ports = ports
        self._accounts = accounts

    def start(self, account: Account) -> None:
        """Ask from now on.

        Raises:
            PortError: If Zalo does not accept the token.
        """
        trouble = self._leave_webhook(account)
        if trouble is not None and trouble.code in {401, 403}:
            raise PortError("refused", trouble.message)
        self._ports.alarms.cancel(_ALARM + account.name)
        if self._hand_in_kept(account):
            self._ask(account, 0 if trouble is None else 1)
        else:
            self._pause(account, 1, None)

    def stop(self, account: Account) -> None:
        """Ask no more."""
        self._ports.polls.stop(_POLL + account.name)
        self._ports.alarms.cancel(_ALARM + account.name)

    def on_poll(self, name: str, answer: Answer | PortError, payload: str) -> None:
        """The gateway has an answer.

        Args:
            name: Of the poll.
            answer: Zalo's, or why there is none.
            payload: As it was given with the request.
        """
        account = self._polled(name.removeprefix(_POLL))
        if account is None:
            self._came_late(name, answer)
            return
        failures = _failures(payload)
        if isinstance(answer, PortError):
            self._unreachable(account, failures + 1, answer)
            return
        said = read(answer)
        if isinstance(said, Success):
            if self._take(account, said.result):
                self._well(account, failures)
        elif said.code == NOTHING_NEW and said.is_understood:
            self._well(account, failures)
        else:
            self._refused(account, failures + 1, said)

    def on_timer(self, name: str, payload: str) -> None:
        """A pause is over."""
        account = self._polled(name.removeprefix(_ALARM))
        if account is None:
            return
        failures = _failures(payload)
        if self._hand_in_kept(account):
            self._ask(account, failures)
        else:
            self._pause(account, failures + 1, None)

    def _polled(self, name: str) -> Account | None:
        account = self._accounts.find(name)
        return account if account is not None and account.transport == "polling" else None

    def _came_late(self, name: str, answer: Answer | PortError) -> None:
        """The account was stopped meanwhile: what came is handed in when it starts again."""
        self._ports.polls.stop(name)
        said = None if isinstance(answer, PortError) else read(answer)
        if isinstance(said, Success):
            for one in _updates(said.result):
                self._keep(name.removeprefix(_POLL), one)

    def _leave_webhook(self, account: Account) -> Failure | None:
        """Zalo answers getUpdates only without a webhook."""
        try:
            said = call(self._ports, request(account, "deleteWebhook", {}))
        except PortError as error:
            return Failure(code=0, message=error.message, is_understood=False)
        return said if isinstance(said, Failure) else None

    def _take(self, account: Account, result: object) -> bool:
        """Hand in what came, or keep it and pause; whether it was handed in."""
        waiting = [one for one in _updates(result) if not self._hand_in(account, one)]
        for one in waiting:
            self._keep(account.name, one)
        if waiting:
            self._pause(account, 1, None)
        return not waiting

    def _keep(self, name: str, update: object) -> None:
        kept = json.dumps(update, ensure_ascii=False)
        self._ports.store.put(f"{_KEPT}{name}/{_key(update)}", kept, _KEPT_MS)

    def _hand_in_kept(self, account: Account) -> bool:
        """Hand in what the inbox did not take; whether nothing is left."""
        for key, text in self._ports.store.scan(f"{_KEPT}{account.name}/"):
            if not self._hand_in(account, json.loads(text)):
                return False
            self._ports.store.delete(key)
        return True

    def _hand_in(self, account: Account, value: object) -> bool:
        """Whether the inbox, or nobody, needs it any more."""
        try:
            message = parse_update(value, account)
        except NotAnUpdate as error:
            self._ports.log.emit("warn", f"an update of {account.name} is left out: {error}")
            return True
        if isinstance(message, Skipped):
            self._ports.log.emit("info", f"an update of {account.name}: {message.why}")
            return True
        try:
            status = self._ports.inbox.deliver(message)
        except PortError as error:
            if not error.retryable:
                self._ports.log.emit(
                    "error", f"a message to {account.name} is not taken: {error.message}"
                )
                return True
            self._ports.log.emit(
                "warn", f"a message to {account.name} waits in the store: {error.message}"
            )
            return False
        remember(self._ports, message, status)
        return True

    def _ask(self, account: Account, failures: int) -> None:
        seconds = _CAREFUL_SECONDS if failures else POLL_SECONDS
        payload = json.dumps({"failures": failures})
        asked = updates_request(account, seconds)
        self._ports.polls.start(_POLL + account.name, asked, payload)

    def _well(self, account: Account, failures: int) -> None:
        if failures:
            self._ask(account, 0)
            self._ports.statuses.show(account.name, "running", "It asks Zalo for messages.")

    def _unreachable(self, account: Account, failures: int, error: PortError) -> None:
        if failures > 1:
            self._ports.statuses.show(account.name, "degraded", error.message)
        self._pause(account, failures, error.retry_after_ms)

    def _refused(self, account: Account, failures: int, said: Failure) -> None:
        message = said.message
        if said.code == _CONFLICT:
            message = "Another program asks Zalo for this bot's messages. Let only one run."
        if failures > 1 or said.code in _OURS_TO_MEND:
            self._ports.statuses.show(account.name, "degraded", message)
        self._ports.log.emit("warn", f"asking for updates of {account.name}: {message}")
        if said.code == _BAD_REQUEST:
            # Somebody may have set a webhook meanwhile.
            self._leave_webhook(account)
        longest = _LONGEST_MENDING_MS if said.code in _OURS_TO_MEND else _LONGEST_PAUSE_MS
        self._pause(account, failures, said.retry_after_ms, longest_ms=longest)

    def _pause(
        self,
        account: Account,
        failures: int,
        wanted_ms: int | None,
        *,
        longest_ms: int = _LONGEST_PAUSE_MS,
    ) -> None:
        """Ask again later; the alarm is set first, so that no crash between leaves silence."""
        doubled_ms = _FIRST_PAUSE_MS << min(max(failures - 1, 0), 6)
        wait_ms = min(max(doubled_ms, wanted_ms or 0), longest_ms)
        payload = json.dumps({"failures": failures})
        self._ports.alarms.set(_ALARM + account.name, wait_ms, payload)
        self._ports.polls.stop(_POLL + account.name)


def _failures(payload: str) -> int:
    try:
        value = cast("dict[str, object]", json.loads(payload)).get("failures")
    except (ValueError, AttributeError):
        return 0
    return value if isinstance(value, int) and value >= 0 else 0


def _updates(result: object) -> list[object]:
    """One update, or none; should there ever be several, all of them."""
    came = cast("list[object]", result) if isinstance(result, list) else [result]
    return [one for one in came if one]


def _key(result: object) -> str:
    """The message's id, so that an update is kept once; what has none shares one place."""
    message = _mapping(_mapping(result).get("message"))
    return str(message.get("message_id") or "-")[:128]


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
