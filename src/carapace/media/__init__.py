"""Files that people and agents send: fetched, looked at, kept for a while, handed out again.

In come bytes, a URL or base64; out come an id in the store, ranges of it, a smaller picture or
a link that expires. What a file is, its content decides; nothing is decoded in this process.
"""

from __future__ import annotations
