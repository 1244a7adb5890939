"""What a plugin may ask of the gateway, one file for each import interface of the contract.

In comes a function's name and its arguments as plain values; out comes a plain value, or a
`GuestError` with one of the codes of `codes.py`. `table.py` binds the interfaces that a manifest
names to the gateway's services; the services themselves are known by `ports.py` alone.
"""

from __future__ import annotations
