"""Population fitted to many people's check-ins: centres, spreads, diagnostics. Imports ``inference``, ``data``."""
