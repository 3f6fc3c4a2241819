"""Figures, texts and pages of finished runs. Imports ``experiments`` and below."""
