"""Metrics as Prometheus reads them; who may ask for them is decided by who serves them."""

from __future__ import annotations

from carapace.telemetry.metrics import Metrics

__all__ = ["render"]


def render(metrics: Metrics) -> tuple[bytes, str]:
    """The exposition text of all metrics, and its content type."""
    from prometheus_client.exposition import (  # noqa: PLC0415 - not needed until scraped
        CONTENT_TYPE_LATEST,
        generate_latest,
    )

    return generate_latest(metrics.registry), CONTENT_TYPE_LATEST
