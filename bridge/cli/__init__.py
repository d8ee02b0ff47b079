"""The command line, one file for each noun; `bridge.cli.main` puts them together.

The file of a noun holds its commands: what they are called, what they take, what they do. What
they do it with is imported inside them, when they run, so that help is quick and loads no
client of any server. Longer parts of their work stand beside them, in files that import as
usual.
"""
