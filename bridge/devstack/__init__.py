"""The embedded nats-server, Temporal dev server and Postgres of `ntbridge dev` and of the tests.

What it promises, and how::

    ntbridge dev ──┬── nats-server        every arrow is a `Child`: started through `launch`, in a session of its own,
       (lock)      ├── temporal           log in STATE/log, last lines shown when it dies
                   ├── postgres
                   ├── ntbridge run
                   └── ntbridge-worker

* **No child outlives its parent**, `kill -9` of the parent included: `launch` asks the kernel for a signal at the
  parent's death before it becomes the server.
* **One stack a state folder**: the stack holds a lock on `STATE/lock`. Each server holds one of its own, which its
  own children inherit; so a successor waits until the last process of a killed predecessor is gone, and no two
  Postgres ever write to one data folder.
* **Nothing outside the state folder is changed**, as root neither: no system user, no change of owner or mode, no
  file in the home folder. Postgres, which refuses root, runs in a user namespace (see `launch`).
* **Nothing that is exported reaches a server**: the environment of a child is made from a short list.
* **Ready means connected**: a server counts as started once it has answered its own protocol.
* **State survives**: JetStream, Temporal's database and Postgres live in the state folder, ports are kept when they
  are still free, and what a killed run left behind (pid files, `stack.json`, locks) is no obstacle.

Modules, from the bottom: `launch` (runs in the child), `environment`, `ports`, `state` (folder and lock),
`addresses` (`stack.json`, imports nothing heavy), `child`, `nats_server`, `temporal_server`, `postgres_server`,
`servers` (the three together), `stack` (with daemon and worker: the whole of `ntbridge dev`). `python -m
bridge.devstack --state DIR` keeps the three servers alone running; the tests use that.
"""
