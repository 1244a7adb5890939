"""The reference pages of metrics and audit kinds, made from the code.

python -m carapace.telemetry.reference docs/reference
"""

from __future__ import annotations

import sys
from pathlib import Path

from carapace.telemetry.audit import MEANINGS
from carapace.telemetry.metrics import Metrics

__all__ = ["audit_page", "metrics_page", "write"]

_METRICS_HEAD = """# Metrics

What the gateway exports for Prometheus. [Monitoring](../how-to/monitoring.md) says how to
switch it on. Label values come from closed sets; no metric names a chat, a person or a
session. This page is generated: `just generate`.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
"""
_AUDIT_HEAD = """# Audit kinds

Each line of the audit trail (`audit/audit.jsonl` in the state folder) is a JSON object with
`seq`, `time`, `kind`, the fields of its kind, and `prev`: the SHA-256 of the line before it.
[Logs and the audit trail](../how-to/logs.md) says how it is written, bounded and verified.
This page is generated: `just generate`.

| kind | meaning |
| --- | --- |
"""
_FOOT = """
On Linux the process itself is exported too: `carapace_process_cpu_seconds_total`,
`carapace_process_resident_memory_bytes`, `carapace_process_virtual_memory_bytes`,
`carapace_process_start_time_seconds`, `carapace_process_open_fds`, `carapace_process_max_fds`.
"""


def metrics_page() -> str:
    """`metrics.md`, from the registry."""
    metrics = Metrics("0", with_process=False)
    rows: list[str] = []
    for name in Metrics.__annotations__:
        if name == "registry":
            continue
        collector = getattr(metrics, name)
        (family,) = collector.collect()
        labels = ", ".join(f"`{label}`" for label in collector._labelnames)  # noqa: SLF001 - the only way to learn them
        exported = family.name + ("_total" if family.type == "counter" else "")
        rows.append(f"| `{exported}` | {family.type} | {labels} | {family.documentation} |\n")
    return _METRICS_HEAD + "".join(sorted(rows)) + _FOOT


def audit_page() -> str:
    """`audit.md`, from the enum and its meanings."""
    rows = sorted((str(kind), text) for kind, text in MEANINGS.items())
    return _AUDIT_HEAD + "".join(f"| `{kind}` | {text} |\n" for kind, text in rows)


def write(folder: Path) -> None:
    """Write both pages into `folder`."""
    (folder / "metrics.md").write_text(metrics_page(), encoding="utf-8")
    (folder / "audit.md").write_text(audit_page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
