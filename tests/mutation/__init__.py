"""Mutation testing: broken copies of modules, and whether a test notices. Run it with ``python -m tests.mutation``."""
