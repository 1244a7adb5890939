"""Sub-agents: runs that an agent starts for itself, in sessions of their own.

Each has a row in a registry before its start is acknowledged. How it ended is told to the
conversation that asked for it as a turn there, once, also after the process was killed.
"""
