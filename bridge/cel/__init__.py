"""CEL over one event: compiled and type-checked when a routes file is loaded, evaluated at intake.

An expression sees ``event.id``, ``.source``, ``.type``, ``.subject``, ``.time``, ``.topic``,
``.uid``, ``.correlationid`` (strings, empty when unset), ``event.extensions`` (a map) and
``data``: the event's JSON data, an empty map when it has none, bytes when they are no JSON.
Data with a NUL character in them cannot be read: what asks for them fails.
Names are declared one by one, so that a misspelt one is an error when the file is loaded and
not on the day it matters. What is inside ``data`` is known only then: ``data.x`` fails on an
event without it, ``has(data.x) && data.x > 1`` does not.

**Numbers.** A number in ``data`` is a CEL int when JSON writes it without a fraction, else a
double. Making all of them doubles would change ids such as 9007199254740993. Standard CEL has
no arithmetic between the two, so that ``data.amount * 1.2`` would work for 99.5 and fail for
100; `bridge.cel.environment` adds it. A result that is not finite (``1.0 / 0.0``) is an
error, since JSON has no such value; the text of one too (`bridge.cel.finite`).

**The budget.** Events come from anybody, so no event may make an expression run long:

* CEL itself stops an evaluation after 10,000 rounds of all its loops together;
* what it does not count is what a round costs. `EventScope` bounds that before evaluating, from
  the shape of the expression (`bridge.cel.syntax`) and the size of the data: a loop that builds a
  list copies it in each round, and one that looks outside its own element may read all of the
  data in each round;
* `bridge.cel.cost` estimates what an evaluation may take at worst. What may take long
  is evaluated in another process, which can be killed (`bridge.evaluation`);
* the text and the nesting of an expression are bounded when it is compiled.

Source: Common Expression Language (cel-spec), by Google's own C++ implementation.
"""

from bridge.cel.compiled import CelExpression, Gives, compile_expression
from bridge.cel.scope import EventScope, holds_nul

__all__ = ["CelExpression", "EventScope", "Gives", "compile_expression", "holds_nul"]
