"""What an author of plugins needs: new projects, builds, tests against a fake host, packing.

Nothing in here runs in a gateway; `cara plugin` uses it on the author's machine. The library that
guests themselves import is the package `carapace_plugin` under `sdk/python`.
"""
