"""What a model may call: rows with a name, a description, a params struct and a risk class.

Rows are declared like methods, listed for a model by `ToolRunner.specs` and run through
`ToolRunner.run`, which asks the policy first and caps time and output.
"""
