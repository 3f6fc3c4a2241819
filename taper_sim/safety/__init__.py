"""Rules that come before any statistic: red flags, limits, ceilings. Imports ``policies``, ``data``, ``tables``.

A clinician can review this room alone: nothing in it is estimated.
"""
