"""``python -m bridge`` is ``ntbridge``."""

from bridge.cli.main import main

main()
