"""Requests of plugins to the outside: what is asked, where secrets go, and what comes back.

In comes a request that names secrets by their handles; it is checked against the plugin's rules,
filled in and sent through `carapace.net`. Out comes an answer in which no secret of the plugin
can be read, or a `GuestError`.
"""

from __future__ import annotations
