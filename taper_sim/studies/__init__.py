"""Studies of the posterior and the population, whose tables are committed. Imports ``inference``, ``recommend``.

Nothing in the product imports this room but the command line.
"""
