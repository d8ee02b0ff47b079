"""The console: a web page for each question that operators ask. Run by ``ntbridge console``.

The console is a process of its own, beside the daemon: nothing that a browser does can delay the
daemon's event loop, its probes or its metrics, and a console needs no more than a role that may read.

::

    browser ──▶ protocol (deadlines) ──▶ access (who is it?) ──▶ page ──▶ bridge.inspect ──▶ Postgres
                                              │                    └──▶ template (autoescaped)
                                              └── an action: role operator, CSRF token, audit row first

* **Reading** needs no login if the connection comes from loopback, the Host header names loopback, and no
  header says that a proxy forwarded it. Everything else needs a login. See `access`.
* **An action** needs the role ``operator``, also on loopback. Its audit row is committed before it begins:
  what cannot be recorded is not done.
* **Text from events is never trusted.** Templates escape everything; invisible and control characters are
  shown as escapes; every field is cut at a limit. Pages load nothing from elsewhere and contain no
  script or style of their own (Content-Security-Policy).
* **Many browsers cost as much as one**: the overview is computed once every few seconds for all that look
  at it, and one subscription follows the log for all live tails.

Modules: `app` puts the pages together, `parts` holds what they share, `access`, `tokens`, `sessions` and
`guard` say who may do what, `protocol` and `server` speak HTTP, `rendering` fills templates, `drawing` makes
pictures, `overview_feed` and `tail` are the live parts, `pages` has a module for each page.
"""
