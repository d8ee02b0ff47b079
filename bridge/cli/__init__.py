"""The command line: a module or package for each noun; `bridge.cli.main` registers them.

``command.py`` of a package has the commands with their flags and help. They import their work when
they run, so that ``--help`` is fast and loads no client of any server. Longer parts of that work
are in modules beside it (``session``, ``view``, …), which import at the top as usual.
"""
