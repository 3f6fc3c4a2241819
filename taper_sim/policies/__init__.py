"""What dose comes next: interface, calls, schedules, presets, rules, oracle. Imports ``data``, ``tables``, ``model``.

Knows nothing of how people are simulated and sees reports only; the oracle alone is handed the state.
"""
