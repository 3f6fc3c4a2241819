"""Figures, tables and pages made of a finished run. Imports ``scenario`` and below."""
