"""Secrets by name. Their values stay with the gateway; see also the secrets of `http`."""

from __future__ import annotations

from typing import Literal

from carapace_plugin.host import call

__all__ = ["hmac", "names", "verify"]


def names() -> list[str]:
    """Secrets that this plugin may use; an account's is `<account>/<name>`."""
    found: list[str] = call("credentials", "names")
    return found


def verify(name: str, presented: str) -> bool:
    """Whether a presented value is the secret's, compared in constant time.

    Raises:
        HostError: If there is no such secret.
    """
    return bool(call("credentials", "verify", name, presented))


def hmac(name: str, text: str, hash_name: Literal["sha1", "sha256"] = "sha256") -> str:
    """HMAC of a text keyed with the secret, in lower-case hex.

    Raises:
        HostError: If there is no such secret.
    """
    return str(call("credentials", "hmac", name, hash_name, text))
