"""Reference pages about the whole gateway, made from its registry, its schemas and its floors.

Pages about one room are made by that room. Every page is a function that returns its text;
`carapace_tools.generate` writes them.
"""
