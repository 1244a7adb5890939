"""Zalo's Bot API as a chat channel.

Every module but the plugin's `app.py` is plain Python over the narrow ports in
`carapace_zalo.ports`, so that all of it runs, and is tested, without WebAssembly. Calls share
no memory: each may meet a fresh instance, and what has to last is in the gateway's store.
"""
