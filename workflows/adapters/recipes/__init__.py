"""The offline language model: recipes for Python functions, chosen by exact phrases.

It is not a real language model. A recipe lists the phrases that ask for it, and it answers a prompt only
when the whole prompt is such a phrase inside a common frame ("write a Python function that …").
A word that the phrase does not have, like "not", "and" or "in Rust", or the same words in another
order, means that the prompt is refused: the wrong function would be tested, signed and deployed.

A recipe is one TOML file. Those that ship are in ``library``; a team adds a folder of its own by
the setting ``qagent.recipes``::

    serves = "whether a year is a leap year"
    example = "Check whether a year is a leap year"
    prompts = ["<check> <a> year is [a] leap [year]", "is <a> year a leap year"]
    code = '''
    def $function(year: int) -> bool:
        ...
    '''
    tests = '''
    def test_centuries() -> None:
        assert $function(2000)
        assert not $function(1900)
    '''

``phrases.py`` has the grammar of ``prompts``, ``recipe.py`` the parameters that a phrase may have.
"""
