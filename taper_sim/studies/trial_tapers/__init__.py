"""Real tapers: a population fitted to a trial's people, others predicted. Imports ``inference``, ``data``.

``python -m taper_sim.studies.trial_tapers DAILY.csv --out DIR``; docs/real-tapers.md says what was found.
"""
