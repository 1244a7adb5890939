"""The reference page of the command line, made from the app itself.

python -m carapace.cli.reference docs/reference
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from carapace.cli.main import build
from carapace.cli.verbs import VERBS

__all__ = ["page", "write"]

_HEAD = """# Command line

`cara VERB --help` says the same. Results go to standard output, everything else to standard
error; with `--json` both are JSON. Exit codes: 0 normal, 1 failure, 2 usage, 78 configuration,
130 interrupted. Addresses and credentials are looked up in this order: flag, environment
(`CARAPACE_GATEWAY_PORT`, `CARAPACE_GATEWAY_TOKEN`, `CARAPACE_GATEWAY_PASSWORD`,
`CARAPACE_CONFIG_PATH`, `CARAPACE_STATE_DIR`, or the Node gateway's names for them),
configuration file, vault. This page is generated: `just generate`.

"""


_AS_MODULE: Final = re.compile(r"^(cara \w+ \w+) -m \S+", re.MULTILINE)
"""The library writes into the usage line how Python itself was started."""


def page() -> str:
    """`cli.md`: each verb and sub-command with its options, in the order of the overview."""
    whole = _AS_MODULE.sub(r"\1", build().generate_docs(output_format="markdown"))
    first = f"## cara {VERBS[0].name}\n"
    _, found, rest = whole.partition(first)
    if not found:
        raise ValueError(f"the generated text has no section for {VERBS[0].name}")
    rows = "".join(f"| `cara {verb.name}` | {verb.summary} |\n" for verb in VERBS)
    return f"{_HEAD}| verb | |\n| --- | --- |\n{rows}\n{first}{rest.rstrip()}\n"


def write(folder: Path) -> None:
    """Write the page into `folder`."""
    (folder / "cli.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
