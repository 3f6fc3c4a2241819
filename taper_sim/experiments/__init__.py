"""Runs: a scenario goes in, a run folder comes out. Imports ``scenario``, ``clinic``, ``recommend``, ``comparison``."""
