"""Who an address of the tailnet belongs to, asked of the tailscale daemon of this machine.

`tailscale serve` writes the user's login into a header, and any local process can write the
same header. So the header alone is worth nothing: the daemon is asked through its socket who
owns the address in `X-Forwarded-For`, and only the same login twice counts. Tagged nodes have
no human owner and are nobody. Whatever goes wrong, the answer is no (advisories A04, C22).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from carapace.auth.origin import is_tailnet_address
from carapace.auth.ports import Whois
from carapace.auth.types import Origin
from carapace.clock import Clock
from carapace.telemetry.log import get_logger

__all__ = ["SOCKET_PATH", "HttpGet", "TailscaleWhois", "verified_login"]

SOCKET_PATH: Final = "/var/run/tailscale/tailscaled.sock"
_CACHE_S: Final = 30.0
_MAX_CACHED: Final = 256
_OK: Final = 200
_log = get_logger(__name__)


class HttpGet(Protocol):
    """`client.get` of an HTTP client whose requests all go to one unix socket."""

    async def get(self, url: str, *, params: Any, headers: Any) -> Any:
        """The response, with `status_code` and `content`."""
        ...

    async def aclose(self) -> None:
        """Let go of the socket."""
        ...


class _Node(msgspec.Struct, rename="pascal"):
    tags: list[str] | None = None


class _Profile(msgspec.Struct, rename="pascal"):
    login_name: str = ""


class _Answer(msgspec.Struct, rename="pascal"):
    node: _Node
    user_profile: _Profile


class TailscaleWhois:
    """Asks the daemon's local API; answers are kept for half a minute.

    Args:
        client: Makes a client bound to the daemon's socket (`net.unix.unix_client`), called
            at the first question.
        clock: For the age of answers.
    """

    def __init__(self, client: Callable[[], HttpGet], *, clock: Clock) -> None:
        self._make_client = client
        self._client: HttpGet | None = None
        self._clock = clock
        self._cache: OrderedDict[str, tuple[float, str | None]] = OrderedDict()

    async def login_of(self, address: str) -> str | None:
        """The login name of the person at `address`; None if there is none or in doubt."""
        if not is_tailnet_address(address):
            return None
        now_s = self._clock.monotonic()
        cached = self._cache.get(address)
        if cached is not None and cached[0] > now_s:
            return cached[1]
        login = await self._ask(address)
        self._cache[address] = (now_s + _CACHE_S, login)
        self._cache.move_to_end(address)
        while len(self._cache) > _MAX_CACHED:
            self._cache.popitem(last=False)
        return login

    async def aclose(self) -> None:
        """Let go of the socket."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def _ask(self, address: str) -> str | None:
        if self._client is None:
            self._client = self._make_client()
        try:
            response = await self._client.get(
                "http://localhost/localapi/v0/whois",
                params={"addr": address},
                headers={"Host": "local-tailscaled.sock"},
            )
            if response.status_code != _OK:
                return None
            answer = msgspec.json.decode(response.content, type=_Answer)
        except Exception as error:  # noqa: BLE001 - any doubt about an identity is a no
            _log.warning("tailscale whois failed", error=type(error).__name__)
            return None
        if answer.node.tags:
            return None
        return answer.user_profile.login_name or None


async def verified_login(origin: Origin, whois: Whois) -> str | None:
    """The tailnet login of a request that came through `tailscale serve`, or None.

    The peer must be loopback (`origin` holds the header only then), and the daemon must name
    the same person for the forwarded address.
    """
    if origin.tailscale_login is None or origin.forwarded_for is None:
        return None
    login = await whois.login_of(origin.forwarded_for)
    if login is None or login.strip().lower() != origin.tailscale_login.strip().lower():
        return None
    return login
