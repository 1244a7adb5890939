"""The exposition is what Prometheus reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from carapace.telemetry.exposition import render
from carapace.telemetry.metrics import Metrics


def test_the_text_is_read_back_by_a_parser():
    metrics = Metrics("1", with_process=False)
    metrics.loop_lag.observe(0.3)
    body, content_type = render(metrics)
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert families["carapace_build_info"].type == "gauge"
    assert families["carapace_event_loop_lag_seconds"].type == "histogram"
    assert content_type.startswith("text/plain; version=")
