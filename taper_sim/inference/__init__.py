"""Personal pace: one patient's posterior from check-ins, what may be recommended, and when nothing may.

Imports ``comparison`` and everything below it. Map: docs/inference.md.
"""
