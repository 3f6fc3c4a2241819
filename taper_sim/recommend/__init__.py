"""Options for one patient, their predicted outcomes, and the choice among them. Imports ``inference``, ``safety``.

This package does not import ``clinic``.
"""
