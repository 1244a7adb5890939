"""All metrics of the process, on a registry of their own.

One attribute a metric, so that a typo is a type error and an unused one is found by a test.
Label values come from closed sets (method names from the registry, reasons from enums),
never from what a client sends. prometheus-client is imported when a `Metrics` is made.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_REQUEST_BUCKETS_S: Final = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0)
_TURN_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
_PLUGIN_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 60.0)
_LAG_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Metrics:
    """Every collector of the gateway.

    Args:
        version: The gateway's, for `carapace_build_info`.
        with_process: Also export CPU, memory and file descriptors of this process.
    """

    registry: CollectorRegistry
    build_info: Gauge
    loop_lag: Histogram
    loop_tasks: Gauge
    turns: Counter
    turn_seconds: Histogram
    turns_waiting: Gauge
    inbound_decisions: Counter
    inbox_waiting: Gauge
    inbox_dead: Counter
    outbox_waiting: Gauge
    outbox_oldest_age: Gauge
    outbox_sent: Counter
    outbox_attempt_seconds: Histogram
    tokens: Counter
    tool_calls: Counter
    ws_connections: Gauge
    ws_frames_in: Counter
    ws_frames_out: Counter
    ws_dropped_bytes: Counter
    slow_consumers: Counter
    requests: Counter
    request_seconds: Histogram
    handshake_failures: Counter
    auth_failures: Counter
    budget_stops: Counter
    webhook_requests: Counter
    hook_calls: Counter
    node_invokes: Counter
    understanding: Counter

    plugin_calls: Counter
    plugin_call_seconds: Histogram
    plugin_host_calls: Counter
    plugin_restarts: Counter
    plugin_workers: Gauge

    media_bytes: Gauge
    media_items: Gauge
    media_fetches: Counter

    def __init__(self, version: str, *, with_process: bool = True) -> None:
        import prometheus_client as prometheus  # noqa: PLC0415 - costs tens of milliseconds

        registry = prometheus.CollectorRegistry(auto_describe=True)
        self.registry = registry
        if with_process:
            prometheus.ProcessCollector(namespace="carapace", registry=registry)
        self.build_info = prometheus.Gauge(
            "carapace_build_info",
            "Always 1; the labels say what runs.",
            ("version", "python"),
            registry=registry,
        )
        self.build_info.labels(version, platform.python_version()).set(1)
        self.loop_lag = prometheus.Histogram(
            "carapace_event_loop_lag_seconds",
            "How late the event loop woke a sleeper.",
            buckets=_LAG_BUCKETS_S,
            registry=registry,
        )
        self.loop_tasks = prometheus.Gauge(
            "carapace_event_loop_tasks",
            "Tasks of the event loop; a number that only grows is a leak.",
            registry=registry,
        )
        self.ws_connections = prometheus.Gauge(
            "carapace_ws_connections",
            "Open WebSocket connections by state: in the handshake, operator or node.",
            ("state",),
            registry=registry,
        )
        self.ws_frames_in = prometheus.Counter(
            "carapace_ws_frames_in", "WebSocket messages received.", registry=registry
        )
        self.ws_frames_out = prometheus.Counter(
            "carapace_ws_frames_out", "WebSocket messages sent.", registry=registry
        )
        self.ws_dropped_bytes = prometheus.Counter(
            "carapace_ws_dropped_bytes",
            "Bytes of events that a slow client missed.",
            registry=registry,
        )
        self.slow_consumers = prometheus.Counter(
            "carapace_ws_slow_consumers",
            "Connections closed because the client did not read.",
            registry=registry,
        )
        self.requests = prometheus.Counter(
            "carapace_requests",
            "Requests by method and outcome: ok, refused or failed.",
            ("method", "outcome"),
            registry=registry,
        )
        self.request_seconds = prometheus.Histogram(
            "carapace_request_seconds",
            "Time from a request to its answer.",
            buckets=_REQUEST_BUCKETS_S,
            registry=registry,
        )
        self.handshake_failures = prometheus.Counter(
            "carapace_handshake_failures",
            "Connections that were never admitted, by reason.",
            ("reason",),
            registry=registry,
        )
        self.turns = prometheus.Counter(
            "carapace_turns",
            "Turns that ended, by how.",
            ("outcome",),
            registry=registry,
        )
        self.turn_seconds = prometheus.Histogram(
            "carapace_turn_seconds",
            "How long a turn took from its lane to its outcome.",
            buckets=_TURN_BUCKETS_S,
            registry=registry,
        )
        self.turns_waiting = prometheus.Gauge(
            "carapace_turns_waiting",
            "Turns that wait for their lane.",
            registry=registry,
        )
        self.inbound_decisions = prometheus.Counter(
            "carapace_inbound_decisions",
            "What chat services handed in, by verdict: accepted, asked, buffered, or why ignored.",
            ("verdict",),
            registry=registry,
        )
        self.inbox_waiting = prometheus.Gauge(
            "carapace_inbox_waiting",
            "Messages from chat services that are not answered yet.",
            registry=registry,
        )
        self.inbox_dead = prometheus.Counter(
            "carapace_inbox_dead",
            "Messages from chat services that were given up.",
            registry=registry,
        )
        self.outbox_waiting = prometheus.Gauge(
            "carapace_outbox_waiting",
            "Messages to chat services that are neither delivered nor given up.",
            registry=registry,
        )
        self.outbox_oldest_age = prometheus.Gauge(
            "carapace_outbox_oldest_age_seconds",
            "How long the oldest of these has waited; 0 if there is none.",
            registry=registry,
        )
        self.outbox_sent = prometheus.Counter(
            "carapace_outbox_sent",
            "Attempts to send, by outcome: delivered, retry, unknown or dead.",
            ("outcome",),
            registry=registry,
        )
        self.outbox_attempt_seconds = prometheus.Histogram(
            "carapace_outbox_attempt_seconds",
            "How long a channel took for one attempt.",
            buckets=_REQUEST_BUCKETS_S,
            registry=registry,
        )
        self.tokens = prometheus.Counter(
            "carapace_tokens",
            "Tokens that turns used, by kind: input, output, cache_read or cache_write.",
            ("kind",),
            registry=registry,
        )
        self.tool_calls = prometheus.Counter(
            "carapace_tool_calls",
            "Tool calls of models, by tool and how they ended.",
            ("tool", "outcome"),
            registry=registry,
        )
        self.auth_failures = prometheus.Counter(
            "carapace_auth_failures",
            "Connects and bearers refused by authentication, by the check that refused them.",
            ("reason",),
            registry=registry,
        )
        self.media_bytes = prometheus.Gauge(
            "carapace_media_bytes", "Bytes in the media folder.", registry=registry
        )
        self.media_items = prometheus.Gauge(
            "carapace_media_items", "Files in the media folder.", registry=registry
        )
        self.media_fetches = prometheus.Counter(
            "carapace_media_fetches",
            "Files that were to be fetched, by outcome: stored, refused or failed.",
            ("outcome",),
            registry=registry,
        )
        self.budget_stops = prometheus.Counter(
            "carapace_budget_stops",
            "Requests to a model that a daily cap stopped, by the cap: tokens or usd.",
            ("cap",),
            registry=registry,
        )
        self.hook_calls = prometheus.Counter(
            "carapace_hook_calls",
            "Calls of hook handlers, by point and how they ended.",
            ("point", "outcome"),
            registry=registry,
        )
        self.understanding = prometheus.Counter(
            "carapace_understanding",
            "Files and links of messages made readable for a model, by kind and outcome.",
            ("kind", "outcome"),
            registry=registry,
        )
        self.node_invokes = prometheus.Counter(
            "carapace_node_invokes",
            "Commands for nodes, by how they ended: ok, failed, timeout, gone or busy.",
            ("outcome",),
            registry=registry,
        )
        self.webhook_requests = prometheus.Counter(
            "carapace_webhook_requests",
            "Inbound webhook requests, by whose route it is and the step that answered.",
            ("owner", "step"),
            registry=registry,
        )
        self.plugin_calls = prometheus.Counter(
            "carapace_plugin_calls",
            "Calls of plugins, by plugin and how they ended: ok, error, unavailable, or the kind "
            "of trap.",
            ("plugin", "outcome"),
            registry=registry,
        )
        self.plugin_call_seconds = prometheus.Histogram(
            "carapace_plugin_call_seconds",
            "How long a plugin took for a call, without the wait for its turn.",
            ("plugin",),
            buckets=_PLUGIN_BUCKETS_S,
            registry=registry,
        )
        self.plugin_host_calls = prometheus.Counter(
            "carapace_plugin_host_calls",
            "What plugins asked the gateway for, by plugin, interface and outcome: ok, error, "
            "limited, late or failed.",
            ("plugin", "interface", "outcome"),
            registry=registry,
        )
        self.plugin_restarts = prometheus.Counter(
            "carapace_plugin_restarts",
            "Worker processes of plugins that were lost.",
            ("plugin",),
            registry=registry,
        )
        self.plugin_workers = prometheus.Gauge(
            "carapace_plugin_workers", "Running worker processes of plugins.", registry=registry
        )
