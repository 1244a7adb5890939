"""The operator's file, the environment and the defaults, turned into frozen typed settings.

Reading is pure as far as it can be: text in, values with their places out. A file that is
broken never stops the gateway and never opens it wide: the last good one is used, loudly.
"""
