"""A against B on the same people and the same luck. Imports ``outcomes`` and below.

``statistics`` knows no files and no simulation; ``tables`` makes summary and differences; ``jobs`` runs the courses,
chunk by chunk.
"""
