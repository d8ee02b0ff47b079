"""Starts our own programs as forks of an interpreter that has imported them: the same processes, without the imports.

`install` teaches `subprocess` this for ``python -m MODULE`` of the modules in `WARM`, also behind the launcher of
`bridge.devstack.child`. Whatever is asked for in another way (other flags, a terminal, another user) starts as
always. ``pytest --cold`` leaves everything as it is.
"""

import ctypes
import functools
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bridge.devstack import launch
from tests.support.servers import ROOT
from tests.support.warm_interpreter import Order

WARM: Final = {
    "bridge",
    "tests.support.coded_worker",
    "tests.support.light_worker",
    "tests.support.scripted_worker",
    "workflows.worker",
}

_PR_SET_CHILD_SUBREAPER: Final = 36
_PLAIN: Final[Mapping[str, Any]] = {
    "preexec_fn": None,
    "startupinfo": None,
    "shell": False,
    "close_fds": True,
    "restore_signals": True,
    "gid": None,
    "gids": None,
    "uid": None,
    "umask": -1,
    "process_group": -1,
}
"""The arguments of `subprocess.Popen` that a fork does not imitate, as they are when nobody asks for more."""

_EXECUTE: Final = "_execute_child"


@dataclass(frozen=True)
class Program:
    """A module of ours with its arguments, and what the launcher before it was told."""

    argv: list[str]
    death_signal: int = 0


def program_of(argv: Sequence[str]) -> Program | None:
    """Return what a command line runs, or None if it is not for a warm start."""
    line = [os.fspath(word) for word in argv]
    death_signal = 0
    launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid())]
    if line[:5] == launcher and line[6:9] == ["same", "", "--"]:
        death_signal = int(line[5])
        line = line[9:]
    if line[:2] != [sys.executable, "-m"] or len(line) < 3 or line[2] not in WARM:
        return None
    return Program(line[2:], death_signal)


def install() -> Callable[[], None]:
    """Let `subprocess` start warm what can be; return what undoes it."""
    original = getattr(subprocess.Popen, _EXECUTE)
    signature = inspect.signature(original)

    @functools.wraps(original)
    def execute(self: Any, *args: Any, **kwargs: Any) -> None:
        given = signature.bind(self, *args, **kwargs).arguments
        order = _order(given)
        if order is None:
            original(self, *args, **kwargs)
            return
        standard = [
            number if given[ours] == -1 else given[ours]
            for number, ours in enumerate(("p2cread", "c2pwrite", "errwrite"))
        ]
        self.pid = _INTERPRETER.run(order, [*standard, *order.descriptors[3:]])
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(given[pipe] for pipe in pipes))

    def undo() -> None:
        setattr(subprocess.Popen, _EXECUTE, original)

    setattr(subprocess.Popen, _EXECUTE, execute)
    return undo


def _order(given: Mapping[str, Any]) -> Order | None:
    """Return the order for what `subprocess.Popen` was given, or None if only a new interpreter will do."""
    argv, cwd, env = given["args"], given["cwd"], given["env"]
    if isinstance(argv, str | bytes) or any(
        given.get(name, plain) not in (plain, False if plain is None else plain)
        for name, plain in _PLAIN.items()
    ):
        return None
    program = program_of(argv)
    if program is None or given["executable"] not in (None, argv[0]):
        return None
    env = dict(os.environ if env is None else env)
    folder = Path.cwd() if cwd is None else Path(os.fspath(cwd))
    descriptors = (given["p2cread"], given["c2pwrite"], given["errwrite"])
    terminal = any(os.isatty(number) for number in descriptors if number != -1)
    if terminal or not folder.is_dir() or _interpreter_flags(env):
        return None
    return Order(
        argv=program.argv,
        env=env,
        cwd=str(folder.absolute()),
        parent=os.getpid(),
        session=bool(given["start_new_session"]),
        death_signal=program.death_signal,
        descriptors=[0, 1, 2, *given["pass_fds"]],
    )


def _interpreter_flags(env: Mapping[str, str]) -> bool:
    """Return whether the environment holds what Python reads only when it starts."""
    ours = {"PYTHONPATH", *(name for name in os.environ if env.get(name) == os.environ[name])}
    flags = {name for name in env if name.startswith(("PYTHON", "COV_CORE_"))} - ours
    return bool(flags) or env.get("PYTHONPATH", str(ROOT)) != str(ROOT)


class _Interpreter:
    """The warm interpreter of this process: started when it is first needed, ended when its socket closes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, order: Order, descriptors: list[int]) -> int:
        """Return the process id of the program, which is a child of this process."""
        with self._lock:
            asked = self._started()
            _adopt(orphans=True)
            try:
                socket.send_fds(asked, [json.dumps(asdict(order)).encode()], descriptors)
                pid = asked.recv(32)
            finally:
                _adopt(orphans=False)
        if not pid:
            raise RuntimeError("The warm interpreter has ended.")
        return int(pid)

    def _started(self) -> socket.socket:
        if self._asked is not None:
            return self._asked
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.support.warm_interpreter"),
                    str(theirs.fileno()),
                ],
                cwd=ROOT,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        if ours.recv(32) != b"ready":
            raise RuntimeError("The warm interpreter did not start.")
        self._asked = ours
        return ours


_INTERPRETER: Final = _Interpreter()


def _adopt(*, orphans: bool) -> None:
    """Be the one to whom orphans among our descendants fall, or be it no longer."""
    if (
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0)
        != 0
    ):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
