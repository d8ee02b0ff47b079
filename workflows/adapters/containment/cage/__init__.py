"""The cage: isolates itself, and then executes an untrusted program.

A bare interpreter runs it (standard library only, nothing else of this project is imported)::

    python -I -S -c "import sys; sys.path.insert(0, FOLDER); from cage import program; ..."

The orders on standard input (``Orders``) name the program, its files, what it may read and its
limits. These measures contain the program, strongest first:

* **Its own root** (``root.py``), on a file system in memory: the folders it may read,
  read-only, ``/cage`` of a limited size, and nothing else.
* **Namespaces** for processes (when the first process ends, the kernel kills all others), for
  the network (not even a loopback), for IPC and for the host name. Root creates them as root and
  then becomes a user that owns nothing; any other user needs a kernel that allows user
  namespaces.
* **A seccomp filter** (``seccomp.py``): no sockets but unnamed pairs, no keyrings, no new
  namespaces, no tracing, no memory that belongs to no process.
* **Landlock** (``landlock.py``), where the kernel has it: no writing outside ``/cage``, no TCP,
  no signals to processes outside.
* **Limits** of each process (address space, CPU time, file sizes, open files), and a **watch**
  (``watch.py``) over all processes together: memory, number of processes and, without its own
  root, the size of the folder. The kernel's out-of-memory killer selects the cage first.

If ``namespaces`` is false, the first two are omitted, for machines that forbid them; then
``work`` is a folder of the host, the filter also forbids new sessions and process groups (so that
killing the group ends everything), and the cage kills all descendants when the program ends.

Exit codes: the program's own; 128 + n when signal n ended it; 125 when the cage could not be
created, and 124 when the watch ended the program, both with the reason on standard error. (A
program may exit with these codes too; only its own run fails by that.)
"""
