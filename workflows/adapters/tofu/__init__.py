"""Environments by OpenTofu or Terraform.

Each kind of resource is a module in a folder of the operator's. A slice of an environment is a
workspace; its configuration is generated: one module call for each resource, no other code.

*Exactly the plan.* The plan file is kept by its digest in the object store, and ``Plan.file`` names
it. Before it is applied, the program plans again; if that differs, the plan is outdated.

*States are where every worker sees them*, by default in Postgres (the backend ``pg``), which locks
them. Each state names the plan that was applied last, in the output ``ntbridge``.

=============================  =================================================================
killed                         the next caller
=============================  =================================================================
while planning                 plans again; nothing was changed
before the program applies     applies the plan file
while it applies               waits for the lock of the state: the program may outlive its
                               worker. Then it is applied, or the rest is planned and compared
                               with the plan, and only what that contains is applied
after it has applied           finds the plan's mark in the state
=============================  =================================================================

The program writes remote states every 20 seconds while it applies. If it is killed too, resources
that it created since are unknown to the state, as always with this program; import them by hand.

Rolling back restores definitions, not data: what was destroyed is created again, empty.
"""
