"""Turns that nobody asked for: every so often the agent looks whether something needs it.

When a heartbeat is due is decided in pure code, what an answer of "nothing" is as well. What came
to the main session without a turn (`carapace.triggers.wakes`) is what such a turn finds there.
"""
