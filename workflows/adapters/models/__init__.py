"""Calls of language models: answers from a cache, limits of their rate, and the last outcome.

``GovernedModel`` stands before the client of a server. Cache and limits are those of the process
(`workflows.adapters.models.local`), or shared by all workers (`workflows.adapters.redis`). Redis is
an optimisation: without it, and while it is away, each process uses its own.

=============================  =================================================================
guarantee                      how
=============================  =================================================================
a limit holds for all workers  one script on the server decides, by the server's clock
an outage stops no work        each call falls back to the process's own window, which counts
                               the process's calls at all times
an answer fits the question    the key is a digest of the server, the model, the parameters and
                               the whole text, examples included
a repair gets a new answer     such a question is asked ``fresh``: it is not read from the cache
=============================  =================================================================
"""
