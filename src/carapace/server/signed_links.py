"""Addresses that open a door by themselves, for what sends no header: a picture, a web view.

A pass says what it opens and until when, under a key of this process: a restart ends them all.
Pure but for the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final

__all__ = ["SignedLinks"]

_MAC_BYTES: Final = 24
_MAX_CHARS: Final = 256


class SignedLinks:
    """Makes and checks passes.

    Args:
        purpose: Passes for one purpose open nothing else.
        now_ms: The time.
        key: Secret; a new one without it.
    """

    def __init__(
        self, purpose: str, *, now_ms: Callable[[], int], key: bytes | None = None
    ) -> None:
        self._purpose = purpose
        self._now_ms = now_ms
        self._key = key or secrets.token_bytes(32)

    def make(self, subject: str, *, lasts_ms: int) -> str:
        """A pass for `subject`; only letters, digits, dots, - and _ are in it."""
        until = self._now_ms() + lasts_ms
        return f"{until}.{self._mac(subject, until)}"

    def opens(self, given: str, subject: str) -> bool:
        """Whether `given` is a pass for `subject` that still counts."""
        until, _, mac = given.partition(".")
        if len(given) > _MAX_CHARS or not (until.isascii() and until.isdigit()):
            return False
        is_right = hmac.compare_digest(mac.encode(), self._mac(subject, int(until)).encode())
        return is_right and self._now_ms() < int(until)

    def _mac(self, subject: str, until: int) -> str:
        text = f"{self._purpose}\0{subject}\0{until}".encode()
        mac = hmac.new(self._key, text, hashlib.sha256).digest()[:_MAC_BYTES]
        return base64.urlsafe_b64encode(mac).decode()
