"""Events are evaluated where they can do no harm: small ones here, all others in a child process.

Decoding, schemas and expressions are functions of what anybody may have sent, and the engines
behind them hold the interpreter's lock while they work: no thread can watch them, no signal is
handled, no probe answered. So nothing is begun on the event loop that may hold it for longer
than about 50 ms. `Evaluator` knows two bounds, both judged before any work:

* the size: an event of more than `INLINE_BYTES` goes to the child, decoding included;
* the cost: `bridge.cel.cost` bounds what the expressions of the event's routes may take.

::

    daemon (event loop)                             child (one task at a time)
    ───────────────────                             ──────────────────────────
    Task: message or event, names of routes   ──▶   decode, digest ─▶ schema ─▶ route ─▶ route …
    Work: a function and its argument         ──▶   call
    answers, one a step                       ◀──   each step has CPU_SECONDS and all of them
                                                    MEMORY_BYTES; the kernel ends the process
                                                    that takes more

* **A step that takes too much** ends the child. What it was doing is known (`Begun`): the route
  at fault gets a dead letter, the routes after it are evaluated by a new child, the others are
  not touched. Time is processor time, so that a busy machine does not change a verdict; a wall
  clock of `WALL_SECONDS` stands behind it.
* **A child that dies otherwise** (killed by a person, out of memory) is replaced, and the step
  is tried once more; a second death is the step's failure. The daemon goes on.
* **What comes back is not read again**: an event with its digest, so that the store reads no data
  of large events, and plans as JSON text, which passes through to Temporal.
* **Order**: who asks waits for the answer, so events keep their order.
* **What the child has**: two pipes, an environment of its module path only, no sockets, no
  settings, no files but what it imports. It dies with its parent, also in the middle of a step.
"""

from bridge.evaluation.evaluator import INLINE_BYTES, INLINE_SECONDS, Evaluator, Received
from bridge.evaluation.process import WALL_SECONDS

__all__ = ["INLINE_BYTES", "INLINE_SECONDS", "WALL_SECONDS", "Evaluator", "Received"]
