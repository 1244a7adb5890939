"""Commands that an agent runs: which may run, who is asked, and what they can reach.

Nothing here reads shell text: a command is a list of arguments, an approval is bound to a digest of
exactly what would run, and what runs is fenced in by the kernel. `service.ExecService` is what the
tools use; `approver.PersonApprover` is what asks.
"""
