"""Plugins: strangers' code as WebAssembly, with what it was granted and nothing else.

`package` knows what is installed and who may be trusted, `host` keeps a worker process for each
running plugin, `worker` is what runs there, and `capabilities` answers what a guest may ask.
Nobody but the worker ever imports a WebAssembly engine.
"""
