"""Programs that run what they are told to: shells, interpreters, wrappers, build tools.

A yes to one of these is a yes to anything, so none is ever allowed for good, whatever its
arguments (advisory L02). The list is a second line: what was allowed is bound to a digest first.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

__all__ = ["is_carrier"]

_VERSION: Final = re.compile(r"[-_.]?\d+(?:\.\d+)*[a-z]?$|\.exe$")
_LOADERS: Final = ("ld-linux", "ld-musl", "ld.so")
_LIST: Final = """
ash bash busybox csh dash elvish fish ksh mksh nu oksh osh powershell pwsh rbash rc sh tcsh
toybox xonsh yash zsh
awk bun clisp deno elixir erl expect gawk gdb ghci gjs groovy guile iex irb java jjs julia
jython kotlin lua luajit mawk nawk node nodejs ocaml original-awk osascript perl php psql pypy
python qjs r racket raku rscript ruby runghc sbcl scala scheme sqlite swift tclsh ts-node tsx
wish
at batch chpst chroot chrt chronic cpulimit crontab dbus-run-session doas eatmydata entr env
fakechroot fakeroot faketime fd fdfind find firejail flatpak flock gosu ionice ltrace machinectl
mosh nice nohup nsenter numactl parallel perf pkexec prlimit proot rlwrap run-parts runcon
runuser screen script scriptreplay setarch setpriv setsid setuidgid softlimit sshpass
start-stop-daemon stdbuf strace su su-exec sudo systemd-inhibit systemd-run taskset time timeout
tini tmux torify torsocks tox unbuffer unshare valgrind watch wine xargs xvfb-run zargs
ansible ant autoconf bazel bundle bundler cargo cmake composer ctest docker dotnet gem gmake go
gradle helm hg just kubectl lxc make mvn nerdctl ninja nix npm npx pip pipx pnpm podman poetry
rake rsync rustc rustup scons scp sftp ssh svn terraform uv uvx vagrant yarn git
bc busctl c++ cc clang convert cpio dc dpkg ed emacs ex ffmpeg g++ gcc gimp gs less m4 magick
man more mutt mysql nano nmap nvim openssl pager rpm rview rvim sed sort split tar tcc tex vi
view vim vimdiff w3m wget zip unzip
"""
_NAMES: Final = frozenset(_LIST.split())


def is_carrier(path: PurePath, called: str) -> bool:
    """Whether a program can be made to run others.

    Args:
        path: The program's file, without links.
        called: Its name as it was called, which tells `busybox` what to be.
    """
    names = (path.name.lower(), PurePath(called).name.lower())
    return any(one in _NAMES or one.startswith(_LOADERS) for name in names for one in _of(name))


def _of(name: str) -> tuple[str, ...]:
    """A name and what it is at heart: `python3.11`, `bash-5.2` and `x86_64-linux-gnu-gcc-12`."""
    plain = _VERSION.sub("", name)
    return name, plain, plain.rpartition("-")[2]
