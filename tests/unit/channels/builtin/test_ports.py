from __future__ import annotations

from carapace.channels.builtin.ports import Accepted, WebhookDoor
from carapace.triggers.channel_webhooks import ChannelWebhooks
from support.webhooks import kernel_rig


async def test_the_kernels_door_is_what_the_channel_asks_for():
    async with kernel_rig() as rig:
        door: WebhookDoor = ChannelWebhooks(rig.kernel)
        assert callable(door.open)


def test_an_answer_is_a_status_and_a_body():
    assert Accepted(status=202, body={"ok": True}).body["ok"]
