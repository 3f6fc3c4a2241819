"""Published results as simulated studies. Imports ``scenario``, ``comparison`` and below.

``coded_words`` names statistics, outcomes and columns; ``coded_arms`` and ``coded_cohorts`` read an arm and a cohort;
``coded_results`` reads a table. ``study_people`` samples the people of a study, ``study_measures`` takes what a
statistic needs from a course, ``study_statistics`` computes it, ``predictive_interval`` compares it with the published
result, ``study_runs`` puts these together.
"""
