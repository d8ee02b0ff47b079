"""The embedded nats-server, Temporal dev server and Postgres of `ntbridge dev` and of the tests.

Processes::

    ntbridge dev ──┬── nats-server        each arrow is a `Child`: started by `launch`, in its own session,
       (lock)      ├── temporal           log in STATE/log; its last lines are shown if it dies
                   ├── postgres
                   ├── ntbridge run
                   └── ntbridge-worker

* **No child outlives its parent**, not even after `kill -9` of the parent: before it runs the server, `launch` asks
  the kernel for a signal at the parent's death.
* **One stack for each state folder**: the stack holds a lock on `STATE/lock`. Each server holds its own lock, which
  its children inherit. A new stack therefore waits until the last process of a killed one has ended, and two Postgres
  servers never write to one data folder.
* **Nothing outside the state folder changes**, even when run as root: no system user, no change of owner or mode, no
  file in the home folder. Postgres refuses root, so it then runs in a user namespace (see `launch`).
* **Exported variables do not reach the servers**: a child's environment is built from a short list.
* **Ready means connected**: a server counts as started after it has answered in its own protocol.
* **State persists**: JetStream, Temporal's database and Postgres are in the state folder. Ports are reused if they
  are still free. Files of a killed run (pid files, `stack.json`, locks) do not prevent a start.

Modules, from the bottom: `launch` (runs in the child), `environment`, `ports`, `state` (folder and lock),
`addresses` (`stack.json`, imports nothing heavy), `child`, `nats_server`, `temporal_server`, `postgres_server`,
`servers` (all three), `stack` (servers, daemon and worker: all of `ntbridge dev`). `python -m bridge.devstack
--state DIR` runs the three servers only; the tests use it.
"""
