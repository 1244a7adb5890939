"""The plugin as a whole: what begins and ends an account, and who gets which call."""

from __future__ import annotations

from carapace_zalo import bots, people
from carapace_zalo.accounts import Account, Accounts, parse_settings
from carapace_zalo.polling import Polling
from carapace_zalo.ports import Answer, PortError, Ports
from carapace_zalo.sending import Sending
from carapace_zalo.webhook import Post, Reply, Webhook

__all__ = ["Plugin"]


class Plugin:
    """Made anew for each instance; holds nothing that has to last."""

    def __init__(self, ports: Ports) -> None:
        self.accounts = Accounts(ports.store)
        self.sending = Sending(ports, self.accounts)
        self.polling = Polling(ports, self.accounts)
        self.webhook = Webhook(ports, self.accounts)
        self._ports = ports

    def start(self, name: str, settings: str) -> None:
        """Begin an account, or begin it anew with other settings.

        Raises:
            PortError: If its settings are not enough, or Zalo does not take them.
        """
        before = self.accounts.find(name)
        account = parse_settings(name, settings, self._ports.secrets)
        if before is not None and before.transport == "polling":
            self.polling.stop(before)
        account = bots.introduce(self._ports, account)
        self.accounts.keep(account)
        try:
            self._listen(account)
        except PortError:
            self.accounts.drop(name)
            raise
        self._ports.statuses.show(name, "running", _described(account))

    def stop(self, name: str) -> None:
        """End an account."""
        account = self.accounts.find(name)
        if account is None:
            return
        self.accounts.drop(name)
        if account.transport == "polling":
            self.polling.stop(account)
        else:
            self.webhook.stop(account)
        self._ports.statuses.show(name, "stopped", "")

    def on_poll(self, name: str, answer: Answer | PortError, payload: str) -> None:
        """A long request was answered."""
        self.polling.on_poll(name, answer, payload)

    def on_timer(self, name: str, payload: str) -> None:
        """An alarm rang."""
        self.polling.on_timer(name, payload)

    def handle(self, post: Post) -> Reply:
        """A request came in."""
        return self.webhook.handle(post)

    def probe(self, name: str) -> str:
        """See `bots.probe`."""
        return bots.probe(self._ports, self.accounts.get(name))

    def directory(self, name: str, query: str, limit: int) -> list[people.Person]:
        """See `people.find`."""
        return people.find(self._ports.store, self.accounts.get(name), query, limit)

    def _listen(self, account: Account) -> None:
        if account.transport == "polling":
            self.polling.start(account)
        else:
            self.webhook.start(account)


def _described(account: Account) -> str:
    bot = f" as {account.bot_name}" if account.bot_name else ""
    way = "It asks Zalo for messages" if account.transport == "polling" else "Zalo posts to it"
    return f"{way}{bot}."
