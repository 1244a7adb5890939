"""Reading the WIT contract, holding it to our rules, and deriving from it.

The parser knows the part of WIT that the contract may use and refuses the rest. From what it
reads come the world of one plugin, the C header and the component around a C core module.
"""
