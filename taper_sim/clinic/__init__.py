"""The telemedicine clinic: which staff a panel of patients needs. Imports ``inference``, ``simulation`` and below.

Staff: ``calendars`` (shifts), ``absence`` (illness), ``team`` (roles, people, cost), ``rosters`` (workbooks).
Demand: ``panel`` (patients over calendar time), ``work`` (kinds of work), ``modality`` (minutes of a visit), ``demand``
(the jobs of a day), ``appointments`` (booking). Queue: ``queue`` (the engine), ``triage`` (the order of waiting jobs),
``predicted_risk`` (each patient's posterior risk), ``alarms`` (false and dismissed alerts), ``harm_paths`` (what late
work does to a patient), ``setting`` (the rules of a clinic), ``coupling`` (clinic and patients day by day). Results:
``event_log`` (flat tables), ``measures``, ``lateness``, ``service`` and ``ramp`` (metrics), ``replications`` (warm-up,
intervals), ``theory`` (closed forms for tests), ``staffing`` (the cheapest team).
"""
