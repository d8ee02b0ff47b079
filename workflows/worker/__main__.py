"""``python -m workflows.worker`` is ``ntbridge-worker``."""

from workflows.worker.cli import main

main()
