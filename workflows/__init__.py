"""The reference pipelines: Temporal workflows that do real work, and a model for your own.

Packages, in the order in which data passes them
================================================

``worker``      the worker process: settings to task queues, sandbox, versions, health
``pipelines``   the four workflows; ``pipelines/parts`` has what they share
``platform``    what any workflow may use: inbox, result events, saga, phases, policies
``steps``       the declarations of activities that workflow code calls
``messages``    the models that workflows, activities and events exchange
``activities``  the activities: Temporal on one side, ports on the other
``modules``     builders that connect activities with the adapters of the settings
``adapters``    the implementations of the ports (``ports.py``)
``testing``     contract tests of the ports, for adapters of your own (``docs/adapters.md``)
``commands``    ``ntbridge pipelines``, ``approvals`` and ``provenance``

How to write a pipeline
=======================

Start from ``pipelines/code_generation.py``; it reads from top to bottom.

1. **Messages.** Describe the input and the output of each step as frozen models in
   ``messages/``. A step takes one message and returns one, so a field can be added without
   breaking the histories of open runs.
2. **Ports and adapters.** Declare each outside service as a small protocol in ``ports.py``; its
   docstring states the guarantees. Implement it in ``adapters/``, without Temporal.
3. **Activities.** A class in ``activities/`` receives the ports and has one method for each
   step. Declare each step in ``steps/`` with its name, types, module and policy
   (``platform/policies.py`` is the one table of timeouts and retries). Raise the errors of
   ``errors.py``: the type of an error decides whether Temporal retries it.
4. **The workflow** takes a ``RawValue`` and decodes it with ``read_input``. It calls steps like
   functions, emits each result with ``results.emit(type, message)``, and runs inside
   ``conclude``, which emits the closing event. It imports no module that does I/O.
   A ``Saga`` (``platform/saga.py``) undoes its effects, ``ask``
   (``pipelines/parts/approval.py``) asks people, and ``Phases`` (``platform/phases.py``) shows
   how far the run is.
5. **The module.** ``modules/builders.py`` connects ports and adapters as the settings say. A
   module has its own task queue (``platform/queues.py``), so its workers scale separately.
   A route starts the workflow by name; the bridge needs no other change.

.. code-block:: text

   bridge ─ start by name ─▶ pipelines/            workflow code: sandboxed, replayed,
                               │ steps/, platform/   imports nothing that does I/O
                               ▼
                             activities/ ──▶ ports.py ◀── adapters/

   bridge ◀─ events.emit ──  platform/result_events.py
     └─▶ eventstore ──▶ relay, which publishes results.<domain>.<name>

Guarantees
==========

*Every run emits how it ended.* Invalid input, a step that fails permanently, a result that the
store rejects, a cancellation: each ends with ``….failed.v1`` and the reason, and the status of
the run in Temporal agrees. Termination and the run's own timeout end a run without running its
code; for these the bridge emits the closure event.

*A result event is stored exactly once.* Workflow code builds it from recorded history, and a
separate activity, which the bridge serves, appends it. Its id depends only on its place in the
run. If the bridge dies between the append and the answer, Temporal retries, and the store finds
the event. The bridge and Postgres may be down for any time.

*Lineage is kept.* The memo of a run holds correlation, causation, hops and trace context; the
worker's interceptor (``platform/lineage.py``) passes it to emits and to child workflows.

*Events have the order of the run*, because a workflow continues only after the last one is
stored.

*A step may run more than once.* Temporal retries a step, also when a worker dies after the work
was done. So the effects of a step must be safe to repeat. Code generation changes nothing
outside until its events are stored.

*A bug loses no run.* An exception that is neither a ``PipelineError`` nor a failure of Temporal
fails the workflow task, and Temporal retries it until a corrected worker is deployed.

Changing a workflow that has open runs
======================================

Temporal replays workflow code against the histories of open runs. A change in the sequence of
steps and emits therefore needs ``workflow.patched``, or workers with a build id, to which runs
are pinned (``worker/versioning.py``). ``tests/replay`` replays a recorded history of every
branch; it fails when a change needs one of the two. The code inside a step may change freely.
``docs/pipelines.md`` explains each way.
"""
