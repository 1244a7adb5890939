"""Tools that stand beside the gateway: golden traces, mirrors, parity reports.

They speak to a gateway only over its sockets and import nothing of it but the wire
types and the shelf.
"""
