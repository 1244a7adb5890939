"""Tools of servers that speak the Model Context Protocol.

A server is a stranger: what it says about its tools and what they answer is data, bounded before
anybody reads it. The protocol's library is imported with the first server that is configured.
"""
