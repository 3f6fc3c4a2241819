"""What may be done for one patient, and what is best: options, chances, choice. Imports ``inference``, ``safety``.

Knows nothing of ``clinic``.
"""
