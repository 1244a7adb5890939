"""Nodes: machines that connect in order to be asked, such as phones and other computers.

What a node may be asked is decided here by what it was approved for and by its platform, each call
anew. A call ends with one answer: the node's, or that it took too long or is gone.
"""
