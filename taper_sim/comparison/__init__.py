"""Paired comparison of policies on the same patients and random draws. Imports ``simulation``, ``policies`` and below.

``outcomes`` defines the outcomes, ``statistics`` estimates (no files, no simulation), ``tables`` makes the summary and
the paired differences, ``loss`` and ``ladder_statistics`` score policies, ``jobs`` simulates in chunks of patients.
"""
