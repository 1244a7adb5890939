"""The web, as an agent may read it: pages and searches.

Everything goes out through the guarded client, to public addresses unless the operator names
others. What comes back stands in fences: it is data, whatever it says.
"""
