"""`http`: a request to one of the hosts, methods and paths of the manifest."""

from __future__ import annotations

from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.capabilities.outbound.requester import Requester
from carapace.plugins.capabilities.outbound.wire import Request

__all__ = ["HttpCapability"]


class HttpCapability:
    """Sends requests and waits for their answers.

    Args:
        requester: Knows the rules and the secrets.
    """

    def __init__(self, requester: Requester) -> None:
        self.call = Dispatch("http", {"fetch": Operation(tuple[Request], requester.send)})
