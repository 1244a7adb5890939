"""`inbound`: a plugin hands in what happened on its chat service."""

from __future__ import annotations

from carapace.net.url import InvalidUrl, parse_url
from carapace.plugins.capabilities.codes import Code, guest_error
from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.capabilities.inbound_wire import InboundEvent, InboundStatus
from carapace.plugins.capabilities.ports import InboundDoor

__all__ = ["InboundCapability"]


class InboundCapability:
    """Delivers events; they are on disk when the plugin has its status.

    Args:
        plugin_id: Whose service it is.
        door: Where they go.
    """

    def __init__(self, plugin_id: str, door: InboundDoor) -> None:
        self._plugin_id = plugin_id
        self._door = door
        self.call = Dispatch("inbound", {"deliver": Operation(tuple[InboundEvent], self._deliver)})

    async def _deliver(self, event: InboundEvent) -> InboundStatus:
        for attachment in event.attachments:
            if (attachment.url is None) == (attachment.handle is None):
                raise guest_error(
                    Code.INVALID_ARGUMENT, "an attachment has either a URL or a handle"
                )
            if attachment.url is not None:
                _check_url(attachment.url)
        if event.quote_id is None and (event.quote_sender_id or event.quote_text):
            raise guest_error(Code.INVALID_ARGUMENT, "a quote needs the id of its message")
        return await self._door.deliver(self._plugin_id, event)


def _check_url(url: str) -> None:
    try:
        parse_url(url)
    except InvalidUrl as error:
        raise guest_error(
            Code.INVALID_ARGUMENT, f"the URL of an attachment cannot be used: {error}"
        ) from None
