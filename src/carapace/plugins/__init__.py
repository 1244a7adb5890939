"""Code of other people, run as WebAssembly components with what they were granted.

A plugin is a signed package; each runs in a process of its own, where a fresh instance serves
every call. What it asks for comes back here as calls of named interfaces, which the capabilities
answer; nothing of a plugin runs in the gateway's own process.
"""

from __future__ import annotations
