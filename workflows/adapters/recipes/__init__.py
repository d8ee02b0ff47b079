"""The offline language model: a small library of recipes for Python functions.

It is no language model. It knows a handful of functions, recognises which one a prompt asks for
by its words, reads a few parameters out of it, and refuses every other prompt by name. What it
gives is real code that works, and so a pipeline can be run, tested and shown without a network
or a key.

To add a recipe, write a ``Recipe`` with its template in the module that fits and list it there;
the tests take it from ``LIBRARY``, check its code and ask for an example of its behaviour.
"""
