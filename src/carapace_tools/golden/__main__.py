"""`cara-tools golden replay --against ws://127.0.0.1:18789/ --token T FOLDER`.

FOLDER holds trace files, `scenario.toml`, and more scenarios in `scenarios`: WebSocket and HTTP.
All are run, one after the other, against the one gateway, whose configuration has to have what
their `[config]` says; `--scenario http` runs one of them. Exit code 0 if everything matches.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import msgspec

from carapace_tools.golden.replay import Outcome, Replay
from carapace_tools.golden.report import as_json, as_text, is_clean
from carapace_tools.golden.scenario import load_scenario

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run one replay and print its report."""
    parser = argparse.ArgumentParser(prog="cara-tools golden replay", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--against", "--url", dest="url", required=True, help="ws://HOST:PORT/")
    parser.add_argument("--token", required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="list every relaxation's reason")
    parser.add_argument("--scenario", action="append", help="its name, may be repeated")
    options = parser.parse_args(argv)
    outcomes: list[Outcome] = []
    for path in _scenarios(options.folder, options.scenario):
        replay = Replay(options.url, options.token, options.folder, load_scenario(path))
        outcomes += asyncio.run(replay.run())
    if options.json:
        sys.stdout.write(msgspec.json.encode(as_json(outcomes)).decode() + "\n")
    else:
        sys.stdout.write(as_text(outcomes, verbose=options.verbose) + "\n")
    return 0 if is_clean(outcomes) else 1


def _scenarios(folder: Path, wanted: list[str] | None) -> list[Path]:
    found = [folder / "scenario.toml", *sorted((folder / "scenarios").glob("*.toml"))]
    return [path for path in found if wanted is None or path.stem in wanted]


if __name__ == "__main__":
    raise SystemExit(main())
