"""Files of an agent's workspace: looked at and changed below its root, and nowhere else.

`paths` and `root` keep every access inside the folder, whoever changes it meanwhile; `editing`
and `patch` are pure and decide what a changed text is; `tools` is what a model calls.
"""
