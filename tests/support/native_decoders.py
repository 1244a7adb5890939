"""What the macOS, iOS and Android apps decode, as strictly as they do.

The decoders are in `support.native`; here is which of them takes which method and event.
Written from the field lists of their decoders: a field without a default here is one whose
absence, null or wrong type makes the app lose the whole payload. Int fields take whole
numbers only; `whole` refuses any fraction on the wire, `1.0` too.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from support.native.chat import (
    AgentAccepted,
    AgentEvent,
    ChatAbort,
    ChatEvent,
    ChatHistory,
    ChatSend,
)
from support.native.devices import DevicePairList, Granted, PairRequested, PairResolved
from support.native.frames import EventFrame
from support.native.gateway import ChannelsStatus, ConfigGet, ConfigSchema, ModelsList, StatusReport
from support.native.hello import Health, Heartbeat, Presence, PresenceEntry, Shutdown, Tick
from support.native.jobs import CronEntries, CronEvent, CronJob, CronJobs, CronStatus, Done
from support.native.nodes import (
    InvokeRequest,
    NodeGranted,
    NodeList,
    NodePairList,
    NodePairRequested,
    NodePairResolved,
    TalkMode,
    VoiceWake,
)
from support.native.sessions import SessionChanged, SessionsList, SessionsPreview

__all__ = ["EVENTS", "JOB_RESULTS", "NODE_RESULTS", "RESULTS", "decode_event", "decode_result"]

RESULTS: Final[dict[str, Any]] = {
    "agent": AgentAccepted,
    "channels.status": ChannelsStatus,
    "chat.abort": ChatAbort,
    "chat.history": ChatHistory,
    "chat.send": ChatSend,
    "config.get": ConfigGet,
    "config.schema": ConfigSchema,
    "health": Health,
    "last-heartbeat": Heartbeat | None,
    "models.list": ModelsList,
    "sessions.compact": SessionChanged,
    "sessions.delete": SessionChanged,
    "sessions.list": SessionsList,
    "sessions.patch": SessionChanged,
    "sessions.preview": SessionsPreview,
    "sessions.reset": SessionChanged,
    "status": StatusReport,
    "system-presence": list[PresenceEntry],
}

NODE_RESULTS: Final[dict[str, Any]] = {
    "device.pair.approve": Granted,
    "device.pair.list": DevicePairList,
    "device.pair.reject": Granted,
    "node.event": NodeGranted,
    "node.invoke.result": NodeGranted,
    "node.list": NodeList,
    "node.pair.approve": Granted,
    "node.pair.list": NodePairList,
    "node.pair.reject": Granted,
    "talk.mode": TalkMode,
    "voicewake.get": VoiceWake,
    "voicewake.set": VoiceWake,
}
"""Of nodes and devices; asked in `test_native_nodes`."""

JOB_RESULTS: Final[dict[str, Any]] = {
    "cron.add": CronJob,
    "cron.list": CronJobs,
    "cron.remove": Done,
    "cron.run": Done,
    "cron.runs": CronEntries,
    "cron.status": CronStatus,
    "cron.update": CronJob,
    "set-heartbeats": Done,
    "system-event": Done,
}
"""Of jobs and signs of life; asked in `test_native_jobs`."""

EVENTS: Final[dict[str, Any]] = {
    "agent": AgentEvent,
    "chat": ChatEvent,
    "cron": CronEvent,
    "device.pair.requested": PairRequested,
    "device.pair.resolved": PairResolved,
    "health": Health,
    "heartbeat": Heartbeat,
    "node.invoke.request": InvokeRequest,
    "node.pair.requested": NodePairRequested,
    "node.pair.resolved": NodePairResolved,
    "presence": Presence,
    "shutdown": Shutdown,
    "talk.mode": TalkMode,
    "tick": Tick,
    "voicewake.changed": VoiceWake,
}


def decode_result(method: str, payload: bytes) -> Any:
    """A result, as the apps decode it."""
    return msgspec.json.decode(payload, type=(RESULTS | NODE_RESULTS | JOB_RESULTS)[method])


def decode_event(frame: EventFrame) -> Any:
    """An event's payload; an event nobody knows how to decode is an error here."""
    return msgspec.json.decode(bytes(frame.payload), type=EVENTS[frame.event])
