"""A code host that is a git repository: proposals are branches, and their record is a ref.

.. code-block:: text

    refs/heads/ntbridge/<service>/<digest of the key>   the branch that people see and merge
    refs/ntbridge/proposals/<digest of the key>         the record: the same commit, or a tombstone

*One step.* A push creates branch and record together (``--atomic``), and only if neither exists
(``--force-with-lease``). So a killed worker leaves both or none, of two workers one wins, and the
other finds its commit. A tombstone replaces the record when the proposal is withdrawn; a late
attempt then finds it.

*Exactly the files.* The commit's folder of the service has the proposed files and no other; the rest
is the target's. Files with a fingerprint are compared with it before, and its signed envelope is
committed beside them, in ``provenance/``.

*Nothing is kept here.* Each call uses a temporary repository. The program is ``git``; it finds
credentials as it does for the user of the worker (credential helpers, SSH keys).
"""
