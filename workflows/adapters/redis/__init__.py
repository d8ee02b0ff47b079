"""What all workers share through a Redis, or a server with its protocol such as Valkey.

Nothing here is needed for the work: while the server is away, each process uses its own cache and
limits (`workflows.adapters.models.local`), and tries the server again a little later. Keys begin with
``ntbridge:{models``. Who can write to the server decides which code the workers get from the
cache, so it must be reachable for the workers only.
"""
