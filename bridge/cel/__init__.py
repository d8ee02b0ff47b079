"""CEL over one event: compiled and type-checked when a routes file is loaded, evaluated at intake.

An expression of a source's ``event`` block is over a message: ``subject``, ``tokens`` (of the
subject), ``headers``, ``data``, ``time`` (when the stream stored it) and ``sequence``.

An expression of a route can use ``event.id``, ``.source``, ``.type``, ``.subject``, ``.time``, ``.topic``,
``.uid``, ``.correlationid`` (strings, empty when unset), ``event.extensions`` (a map) and
``data``: the event's JSON data, an empty map if it has none, bytes if it is not JSON.
Data with a NUL character cannot be read: an expression that uses it fails.
Each name is declared, so a misspelt name is an error when the file is loaded. The fields of
``data`` are not known then: ``data.x`` fails on an event without it, ``has(data.x) && data.x > 1``
does not.

**Numbers.** A number in ``data`` is a CEL int when JSON writes it without a fraction, else a
double. Making all of them doubles would change ids such as 9007199254740993. Standard CEL has
no arithmetic between the two, so ``data.amount * 1.2`` would work for 99.5 and fail for 100;
`bridge.cel.environment` adds it. A result that is not finite (``1.0 / 0.0``) is an error, because
JSON has no such value; so is text made from such a number (`bridge.cel.finite`).

**The budget.** Any publisher can send events, so no event may make an expression run long:

* CEL stops an evaluation after 10,000 iterations of all its loops together;
* CEL does not count the cost of one iteration. `EventScope` limits it before the evaluation, from
  the expression's tree (`bridge.cel.syntax`) and the size of the data: a loop that builds a list
  copies it in each iteration, and a loop that reads more than its own element may read all of the
  data in each iteration;
* `bridge.cel.cost` estimates the worst-case time. An expression that may take long is evaluated in
  a child process, which can be killed (`bridge.evaluation`);
* the length and the nesting of an expression are limited when it is compiled.

Modules: `environment` (names and functions), `syntax` (the expression tree), `finite` (rewrites the
tree), `cost`, `compiled` (one expression), `scope` (evaluates expressions on one event).

Source: Common Expression Language (cel-spec), Google's C++ implementation.
"""

from bridge.cel.compiled import CelExpression, Gives, compile_expression
from bridge.cel.scope import EventScope, MessageScope, holds_nul

__all__ = [
    "CelExpression",
    "EventScope",
    "Gives",
    "MessageScope",
    "compile_expression",
    "holds_nul",
]
