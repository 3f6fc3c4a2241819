"""Safety rules that take precedence over any estimate: red flags, limits, ceilings. Imports ``policies``, ``data``.

A clinician can review this package alone: it contains no statistics.
"""
