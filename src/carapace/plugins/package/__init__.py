"""Plugins as files: what a package is, whom it is from, what it asks for, where it is kept.

A package comes in by `sources`, is taken apart by `archive` or `folder`, vouched for by
`signature`, agreed to by an admin and kept by `installed`, which checks all of it anew before each
load. `installer` is the one who does these things in order.
"""

from __future__ import annotations
