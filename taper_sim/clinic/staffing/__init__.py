"""The smallest team that meets its targets: bounds, search, selection. Imports ``clinic``."""
