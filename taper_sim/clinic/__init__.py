"""The telemedicine clinic: who is needed to watch these patients. Imports ``inference``, ``simulation`` and below.

``calendars`` says when somebody is at work, ``absence`` who is ill, ``team`` who there is and what it costs, ``work``
what there is to do, ``triage`` in which order, ``foresight`` what a patient's own check-ins foretell; ``simulation`` is
the queue, ``records`` turns it into flat tables, ``measures`` into numbers.
"""
