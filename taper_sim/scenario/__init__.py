"""Scenario files: validation, and the objects built from them. Imports ``recommend``, ``clinic`` and everything below.

``schema``, ``clinic_schema`` and ``staffing_schema`` define the keys of a scenario file, ``building`` builds cohort,
ensemble and arms, ``true_models`` lists the data-generating models of the ladder.
"""
