"""The house's own parts satisfy the ports."""

from __future__ import annotations

from carapace.app.plugin_media import PluginMedia
from carapace.plugins.capabilities.ports import (
    InboundDoor,
    MediaDoor,
    PluginConfig,
    SecretHolder,
    ServiceEvents,
    StatusBoard,
    StoredFile,
    TurnStarter,
)
from carapace.plugins.capabilities.secrets import ConfiguredSecrets
from carapace.plugins.service import PluginService
from support.capabilities import (
    HeldConfig,
    HeldSecrets,
    RecordingAgent,
    RecordingBoard,
    RecordingEvents,
    RecordingInbox,
)

# For the type checker: it refuses a class that lacks something.
_MEDIA: type[MediaDoor] = PluginMedia
_SECRETS: tuple[type[SecretHolder], ...] = (ConfiguredSecrets, HeldSecrets)
_EVENTS: tuple[type[ServiceEvents], ...] = (PluginService, RecordingEvents)
_CONFIG: type[PluginConfig] = HeldConfig
_BOARD: type[StatusBoard] = RecordingBoard
_INBOX: type[InboundDoor] = RecordingInbox
_TURNS: type[TurnStarter] = RecordingAgent


def test_a_file_without_a_size_in_pixels_says_so():
    stored = StoredFile(handle="m-1", content_type="text/plain", size_bytes=3)
    assert (stored.width_px, stored.height_px, stored.duration_ms) == (None, None, None)


def test_the_service_takes_what_is_brought():
    for name in ("on_timer", "on_poll", "on_websocket"):
        assert callable(getattr(PluginService, name))
