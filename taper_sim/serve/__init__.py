"""The clinician's page on this machine: one patient, then all. Imports ``api``, ``report``, ``recommend`` and below.

The page shows what ``recommend`` answers and adds no rule of its own about safety. It needs the extra ``serve``.
Nothing else of the package imports this room, so that the other commands work without it.
"""
