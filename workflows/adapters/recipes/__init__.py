"""The offline language model: a small library of recipes for Python functions.

It is not a real language model. It has a few functions, recognises by its words which one a prompt
asks for, reads some parameters from it, and refuses every other prompt. The code works, so a
pipeline can be run, tested and shown without a network or a key.

To add a recipe, write a ``Recipe`` with its template in a fitting module and add it to the list
there. The tests read it from ``LIBRARY``, check its code and need an example of its behaviour.
"""
