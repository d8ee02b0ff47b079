"""``ntbridge completion``: prints a script that completes commands and flags in a shell."""

from typing import Literal

from bridge.runtime.terminal import print_exact

Shell = Literal["bash", "zsh", "fish"]


def completion(shell: Shell, /) -> None:
    """Print the script for tab completion in a shell; it knows the commands of plug-ins too.

    bash: put `source <(ntbridge completion bash)` into ~/.bashrc. zsh: write it to a file
    `_ntbridge` in a folder of $fpath. fish: write it to ~/.config/fish/completions/ntbridge.fish.

    Parameters
    ----------
    shell:
        bash, zsh or fish.
    """
    from bridge.cli import plugins
    from bridge.cli.main import app

    plugins.attach(app, ())
    print_exact(app.generate_completion(prog_name="ntbridge", shell=shell).rstrip("\n"))
