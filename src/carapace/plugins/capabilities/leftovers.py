"""What a plugin leaves behind when it is removed."""

from __future__ import annotations

from carapace.plugins.capabilities import kv_records, poll_records, timer_records
from carapace.store.ports import Tx

__all__ = ["erase_plugin"]


def erase_plugin(tx: Tx, plugin_id: str) -> None:
    """Remove its entries, alarms and held requests; for a plugin that is gone for good."""
    kv_records.erase(tx, plugin_id)
    timer_records.erase(tx, plugin_id)
    poll_records.erase(tx, plugin_id)
