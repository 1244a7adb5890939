"""Everything in the repository that is made from the code: `python -m carapace_tools.generate`.

With `--check` nothing is written: the exit code is 1 if a committed file is not what the code
would make of it. Each generator is a function that returns text; a page about one room is made
by that room.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from carapace.app.parts import METHODS
from carapace.cli.help import document as help_texts
from carapace.cli.reference import page as cli_page
from carapace.config.reference import reference as config_page
from carapace.config.schema import json_schema
from carapace.protocol.schema import protocol_schema
from carapace.telemetry.reference import audit_page, metrics_page
from carapace_tools.reference.advisories import advisories_page
from carapace_tools.reference.compatibility import compatibility_page
from carapace_tools.reference.floors import floors_diagram
from carapace_tools.reference.websocket import events_page, types_page, websocket_page

__all__ = ["main", "pages"]

_ROOT = Path(__file__).resolve().parents[2]
_TRACES = Path("tests", "golden", "node-2026.1")
_FLOORS = re.compile(r"(<!-- floors: generated -->\n).*?(<!-- end -->)", re.DOTALL)


def pages(root: Path) -> Iterator[tuple[str, str]]:
    """Path below `root` and text of every generated file."""
    protocol = protocol_schema(METHODS)
    yield "schemas/protocol.json", _json(protocol)
    yield "schemas/config.json", _json(json_schema())
    yield "docs/reference/websocket.md", websocket_page(protocol)
    yield "docs/reference/events.md", events_page(protocol)
    yield "docs/reference/types.md", types_page(protocol)
    yield "docs/reference/config.md", config_page()
    yield "docs/reference/metrics.md", metrics_page()
    yield "docs/reference/audit.md", audit_page()
    yield "docs/reference/cli.md", cli_page()
    yield "docs/reference/compatibility.md", compatibility_page(root / _TRACES)
    yield "docs/reference/advisories.md", advisories_page(root / "tests")
    yield "src/carapace/cli/help.json", help_texts()
    yield "docs/explain/architecture.md", _with_floors(root)


def main(argv: list[str] | None = None, *, root: Path = _ROOT) -> int:
    """Write or check all of them; names what differs."""
    parser = argparse.ArgumentParser(prog="carapace-generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    options = parser.parse_args(argv)
    stale = [(name, text) for name, text in pages(root) if _read(root / name) != text]
    for name, text in stale:
        if options.check:
            sys.stderr.write(f"{name} is not current: run `just generate` and commit it\n")
            continue
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stderr.write(f"wrote {name}\n")
    return 1 if options.check and stale else 0


def _with_floors(root: Path) -> str:
    """The architecture page with today's floors between its markers."""
    text = _read(root / "docs/explain/architecture.md")
    diagram = floors_diagram(root / "pyproject.toml")
    return _FLOORS.sub(lambda found: f"{found[1]}{diagram}\n{found[2]}", text)


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


if __name__ == "__main__":
    raise SystemExit(main())
