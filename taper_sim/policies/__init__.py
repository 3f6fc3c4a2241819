"""What dose comes next: interface, calls, fixed schedules, presets, rules, oracle. Imports ``data``, ``tables``, ``model``
and below; knows nothing of how people are simulated and sees reports only.
"""
