"""A population from many people's check-ins: centres, spreads, diagnostics. Imports ``inference``, ``run_folder``."""
