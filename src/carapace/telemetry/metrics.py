"""All metrics of the process, on a registry of their own.

One attribute a metric, so that a typo is a type error and an unused one is found by a test.
Label values come from closed sets (method names from the registry, reasons from enums),
never from what a client sends. prometheus-client is imported when a `Metrics` is made.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Gauge, Histogram

__all__ = ["Metrics"]

_LAG_BUCKETS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Metrics:
    """Every collector of the gateway.

    Args:
        version: The gateway's, for `carapace_build_info`.
        with_process: Also export CPU, memory and file descriptors of this process.
    """

    registry: CollectorRegistry
    build_info: Gauge
    loop_lag: Histogram

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
