"""The webhook channel's place on the kernel: `/channels/webhook/<account>`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from carapace.channels.builtin.ports import Handle
from carapace.errors import Refused
from carapace.triggers.bounded_json import json_object
from carapace.triggers.signatures import timestamped_signature
from carapace.triggers.webhook_types import Step, VerifiedRequest, WebhookAnswer, WebhookRoute
from carapace.triggers.webhooks import WebhookKernel

__all__ = ["CHANNEL_PATH", "ChannelWebhooks"]

CHANNEL_PATH: Final = "/channels/webhook"
_OWNER: Final = "channels.webhook"
_JSON: Final = "application/json; charset=utf-8"


class ChannelWebhooks:
    """Satisfies `carapace.channels.builtin.ports.WebhookDoor`.

    Args:
        kernel: Serves the paths; those below `/channels/webhook` are claimed for good.
    """

    def __init__(self, kernel: WebhookKernel) -> None:
        self._kernel = kernel
        kernel.claim(CHANNEL_PATH, _OWNER)

    def open(self, account: str, secret: str, handle: Handle) -> Callable[[], None]:
        """Serve one account until the returned function is called.

        Raises:
            Refused: If its name cannot be part of a path, or is served already.
        """
        if "/" in account or "*" in account:
            raise Refused(
                f"The webhook account {account!r} cannot be part of a path. Give it another name."
            )
        path = f"{CHANNEL_PATH}/{account}"
        self._kernel.mount(
            WebhookRoute(
                path=path,
                owner=_OWNER,
                verify=timestamped_signature(secret, account=account),
                handle=_Handler(handle),
                parse=json_object,
                refuse=_refusal,
            )
        )

        def shut() -> None:
            self._kernel.unmount(_OWNER, path)

        return shut


class _Handler:
    """Calls the channel; its intake decides and writes in one go."""

    __slots__ = ("_handle",)

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    async def __call__(self, request: VerifiedRequest) -> WebhookAnswer:
        request.enter(Step.AUTHORISE)
        request.enter(Step.PERSIST)
        accepted = await self._handle(request.value)
        return _json(accepted.status, accepted.body)


def _refusal(status: int, text: str) -> WebhookAnswer:
    return _json(status, {"ok": False, "error": text})


def _json(status: int, body: object) -> WebhookAnswer:
    return WebhookAnswer(status=status, body=msgspec.json.encode(body), content_type=_JSON)
