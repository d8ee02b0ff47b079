"""Commands that the pipelines add to ``ntbridge``: an ``App`` a module, one a noun.

They join through the entry point group ``ntbridge.commands`` and are given a `host.Host`. What is
imported at the top of a module costs every look at the list of commands, so clients of servers
are imported where they are used.
"""
