"""The processes that compile and run what a plugin's author wrote.

`python -I -m carapace.plugins.worker` runs one plugin, `carapace.plugins.worker.compile` turns a
component into machine code. Both give up what they do not need before they look at a byte of it;
`wasmtime` is imported here and nowhere else.
"""

from __future__ import annotations
