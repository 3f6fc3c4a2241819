"""Studies of the posterior and the population, whose tables are committed. Imports ``inference``, ``recommend``.

Only the command line imports this package.
"""
