"""The rounds edition: a clinic's own logs, quarter against quarter. Imports ``briefs`` and below."""
