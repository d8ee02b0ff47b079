"""The command line, one file for each noun; `bridge.cli.main` puts them together."""
