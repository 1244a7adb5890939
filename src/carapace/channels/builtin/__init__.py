"""The channels that come with the gateway: its own chat, and a webhook for scripts.

They go through the same door as every other channel (`carapace.channels.ports`) and are held to
the same conformance suite. They import nothing from the rooms above; what they need of those is
handed to them.
"""
