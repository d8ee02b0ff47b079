"""The commands that the pipelines add to ``ntbridge``: one ``App`` for each noun.

``ntbridge`` finds them by the entry point group ``ntbridge.commands`` and passes a `host.Host`.
``ntbridge --help`` imports every module here, so they import clients of servers only where they
use them.
"""
