"""What a button carries, so that only who it was made for can press it, and only there (E10).

A service hands back the text of a button as whoever pressed it sent it. The token is therefore
a MAC over action, person, place and expiry; person and place are not in it but taken from the
event, so a token that was copied elsewhere is simply forged. It stays short (Telegram allows
64 bytes). It is not used up by a press: an action that must happen once has to see to that.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from enum import StrEnum
from typing import Final

from carapace.channels.policy import Accept
from carapace.provenance import Authority
from carapace.value import Value

__all__ = ["CallbackPlace", "CallbackRefusal", "CallbackTokens", "Pressed"]

_MIN_KEY_BYTES: Final = 32
_MAC_BYTES: Final = 16
_MAX_CHARS: Final = 1_024
_PARTS: Final = 4
_DOMAIN: Final = b"carapace channel callback 1"


class CallbackPlace(Value, frozen=True, kw_only=True):
    """Whom a button is for, and where it is shown."""

    channel: str
    account: str
    conversation: str
    sender_id: str


class Pressed(Value, frozen=True, kw_only=True):
    """The button was pressed by the one it is for."""

    action: str


class CallbackRefusal(StrEnum):
    """Why a press counts for nothing."""

    FORGED = "forged"  # not ours, or pressed by somebody else, or elsewhere
    EXPIRED = "expired"
    AUTHORITY = "authority"  # theirs, but they may no longer do that


class CallbackTokens:
    """Makes and checks what buttons carry.

    Args:
        key: At least 32 random bytes, kept with our secrets.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) < _MIN_KEY_BYTES:
            msg = f"the key of callbacks needs at least {_MIN_KEY_BYTES} bytes"
            raise ValueError(msg)
        self._key = key

    def mint(
        self,
        action: str,
        place: CallbackPlace,
        *,
        expires_at_ms: int,
        needs: Authority = Authority.PAIRED,
    ) -> str:
        """The text for a button: 34 characters and the action.

        Args:
            action: What a press means; nothing secret, services and people can read it.
            place: Whom it is for.
            expires_at_ms: From then on a press counts for nothing; rounded down to seconds.
            needs: What whoever presses it has to have at that moment.
        """
        expires_s = expires_at_ms // 1000
        mac = self._mac(action, place, expires_s, needs)
        return f"{expires_s:x}.{int(needs)}.{mac}.{action}"

    def check(self, token: str, accept: Accept, *, now_ms: int) -> Pressed | CallbackRefusal:
        """Whether `token` was pressed by the right person at the right place.

        Args:
            token: As the service handed it back.
            accept: The authoriser's verdict on the press; says who it was and what they may.
            now_ms: Time, for the expiry.
        """
        read = _read(token)
        if read is None:
            return CallbackRefusal.FORGED
        expires_s, needs, mac, action = read
        message = accept.message
        place = CallbackPlace(
            channel=message.channel,
            account=message.account,
            conversation=message.conversation.id,
            sender_id=message.sender.id,
        )
        wanted = self._mac(action, place, expires_s, needs)
        if not hmac.compare_digest(mac.encode(errors="surrogatepass"), wanted.encode()):
            return CallbackRefusal.FORGED
        if now_ms >= expires_s * 1000:
            return CallbackRefusal.EXPIRED
        if accept.provenance.authority < needs:
            return CallbackRefusal.AUTHORITY
        return Pressed(action=action)

    def _mac(self, action: str, place: CallbackPlace, expires_s: int, needs: Authority) -> str:
        made = hmac.new(self._key, _DOMAIN, hashlib.sha256)
        fields = (place.channel, place.account, place.conversation, place.sender_id, action)
        for text in (*fields, str(expires_s), str(int(needs))):
            data = text.encode(errors="surrogatepass")
            made.update(len(data).to_bytes(8, "big") + data)
        return urlsafe_b64encode(made.digest()[:_MAC_BYTES]).rstrip(b"=").decode()


def _read(token: str) -> tuple[int, Authority, str, str] | None:
    """Its parts, unchecked; None if it is not even shaped like one."""
    parts = token.split(".", _PARTS - 1) if len(token) <= _MAX_CHARS else []
    if len(parts) != _PARTS:
        return None
    try:
        return int(parts[0], 16), Authority(int(parts[1])), parts[2], parts[3]
    except ValueError:
        return None
