"""`cara completion`."""

from __future__ import annotations

from typing import Literal

from carapace.cli.main import build

__all__ = ["completion"]


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Completion script for your shell.

    bash: `cara completion bash > ~/.local/share/bash-completion/completions/cara`;
    zsh: into a file `_cara` on your `fpath`;
    fish: `cara completion fish > ~/.config/fish/completions/cara.fish`.

    Parameters
    ----------
    shell
        Yours.
    """
    print(build().generate_completion(prog_name="cara", shell=shell))
