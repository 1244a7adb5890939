"""Memories found by what they mean, beside the words they hold.

An extra: without it, or when it fails, memories are found by their words alone. The model runs
in a confined process of its own, started at need; the gateway keeps the vectors in its database.
"""
