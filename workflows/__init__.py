"""The reference pipelines: Temporal workflows that do real work, and a model for a team's own.

How to write a pipeline
=======================

Take ``code_generation.py`` for the pattern; it reads from top to bottom.

1. **Messages.** Describe what goes in and what comes out of each step as frozen models in
   ``messages/``. One goes in, one comes out, so that a field can be added without breaking
   the histories of runs that are under way.
2. **Ports and adapters.** What the pipeline needs from the world becomes a small protocol in
   ``ports/``, its docstring saying what is guaranteed; what really does it goes to
   ``adapters/``, which knows no Temporal.
3. **Activities.** A class in ``activities/`` is given the ports and does one step a method.
   Declare each in ``steps/``: its name, its types, its module and its policy
   (``policies.py``, the one table of timeouts and retries). Raise an error from ``errors.py``: whether it is retried
   follows from its type.
4. **The workflow** takes a ``RawValue`` and reads it with ``read_input``, calls steps like
   functions, tells each result with ``results.emit(type, message)``, and is wrapped in
   ``conclude``, which emits the closing event. It imports no module that does I/O.
   What can be undone is undone by a ``Saga`` (``saga.py``), people are asked with ``ask``
   (``approval.py``), and where the run is, ``Phases`` (``phases.py``) shows.
5. **The module.** ``modules/`` puts ports and adapters together, as the settings say; a module
   has a task queue (``queues.py``) and workers that scale apart.
   The bridge starts the workflow by name when a route says so, and knows nothing of this.

.. code-block:: text

   bridge ─ start by name ─▶ code_generation.py          workflow code: sandboxed, replayed,
                               │ steps/, policies.py     imports nothing that does I/O
                               ▼
                             activities/ ──▶ ports/ ◀── adapters/

   bridge ◀─ events.emit ──  result_events.py
     └─▶ eventstore ──▶ relay, which publishes results.<domain>.<name>

What is guaranteed
==================

*Every run says how it ended.* Input that cannot be read, a step that fails for good, a result
that the store refuses, a cancellation: each ends in ``….failed.v1`` with the reason, and the
run's status says the same. Only what ends a run without asking it (termination, the run's own
timeout) is left to the bridge, which watches closures.

*A result event is stored once, and is true.* It is built in workflow code from recorded history
and appended by an activity of its own, which the bridge serves; its id follows from its place in
the run. A bridge that dies between the append and its answer makes Temporal try again, and the
store finds that it has the event. Bridge and Postgres may be away for as long as they like.

*What began it all travels along.* Correlation, causation, hops and trace context are in a run's
memo; the worker's interceptor (``lineage.py``) hands it to emits and to child workflows.

*Events are in the order of the run*, because a workflow goes on when the last one is stored.

*A step may run more than once.* Steps are retried, also when a worker dies after the work was
done. What a step does to the world must therefore be harmless to repeat; code generation
changes nothing at all until its events are stored.

*A bug of ours loses nothing.* An exception that is no ``PipelineError`` and no failure of
Temporal's fails the workflow task, and Temporal waits with it until a mended worker is there.

Changing a workflow that has runs
=================================

Workflow code is replayed against the histories of open runs, so a change in the sequence of its
steps and emits needs ``workflow.patched``, or workers with a build id, to which runs are pinned
(``versioning.py``). ``tests/replay`` replays a recorded history of every branch: when it fails,
the change was one of those. Steps themselves may change freely. ``docs/pipelines.md`` goes
through it step by step.
"""
