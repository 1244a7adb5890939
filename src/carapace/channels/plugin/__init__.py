"""Channels that come as plugins, seen from the house: the same `Channel` as the built-in ones.

A guest has no memory between calls and no connection of its own. What it hands in and what it is
asked to send passes through here, in the values of `wit/plugin.wit`.
"""
