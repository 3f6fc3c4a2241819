"""What a patient does, day by day: no cohort, no clinic, no files. Imports only ``units`` and ``rng``."""
