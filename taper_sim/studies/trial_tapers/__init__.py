"""Tapers of a trial: fit a population to some people, predict the tapers of others. Imports ``inference``, ``data``.

``taper-sim tapers DAILY.csv --out DIR`` runs the study. docs/real-tapers.md has the results.
"""
