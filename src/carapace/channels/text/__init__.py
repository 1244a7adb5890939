"""From what an agent said to the texts that a service can show.

`render` is the one function others call: tables and Markdown are converted, then the text is
cut where a reader expects it, never through a code block. All of it is pure.
"""
