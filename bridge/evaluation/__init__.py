"""Evaluates events: cheap ones on the event loop, all others in a child process.

Decoding, schema checks and expressions run on untrusted input, and their engines hold the
interpreter's lock: during that time no other thread runs, no signal is handled and no probe is answered. So
the event loop begins no work that may block it for longer than about 50 ms. `Evaluator` checks two
limits before any work:

* the size: an event of more than `INLINE_BYTES` goes to the child, including its decoding;
* the cost: `bridge.cel.cost` estimates the time of the expressions of the event's routes.

::

    daemon (event loop)                             child (one task at a time)
    ───────────────────                             ──────────────────────────
    Task: message or event, names of routes   ──▶   decode, digest ─▶ schema ─▶ route ─▶ route …
    Work: a function and its argument         ──▶   call
    answers, one a step                       ◀──   the kernel ends the process if a step exceeds
                                                    CPU_SECONDS, or all exceed MEMORY_BYTES

* **A step that exceeds a limit** ends the child. The step is known (`Begun`): its route gets a dead
  letter, a new child evaluates the routes after it, other routes are not affected. The limit is
  processor time, so that a busy machine does not change a verdict; `WALL_SECONDS` of wall-clock
  time is a second limit.
* **A child that dies for another reason** (killed, out of memory) is replaced, and the step is tried
  once more; after a second death the step fails. The daemon continues.
* **The answers are not decoded again**: an event with its digest, so that the store need not read
  the data of large events, and plans as JSON text, which goes to Temporal unchanged.
* **Order**: callers wait for the answer, so events keep their order.
* **The child's resources**: two pipes, an environment with the module path only, no sockets, no
  settings, no files except its imports. It dies with its parent, even during a step.

Modules: `evaluator` decides where to evaluate, `children` is the pool of child processes, `process`
is one child seen by the parent, `messages` the protocol, `child` the program that runs in the child.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.evaluation.evaluator import INLINE_BYTES, INLINE_SECONDS, Evaluator, Received
    from bridge.evaluation.process import WALL_SECONDS

__all__ = ["INLINE_BYTES", "INLINE_SECONDS", "WALL_SECONDS", "Evaluator", "Received"]


def __getattr__(name: str) -> Any:
    # The child imports this package too, and needs none of the parent's modules: a third of its start.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "process" if name == "WALL_SECONDS" else "evaluator"
    return getattr(import_module(f"{__name__}.{module}"), name)
