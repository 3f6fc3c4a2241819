"""Staffing: the cheapest team that meets its targets (bounds, search, feasibility, selection). Imports ``clinic``."""
