"""The telemedicine clinic: who is needed to watch these patients. Imports ``simulation``, ``outcomes`` and below.

``calendars`` says when somebody is at work, ``team`` who and what it costs, ``work`` what there is to do, ``triage`` in
which order, ``simulation`` is the queue, ``records`` turns it into flat tables, ``measures`` into numbers.
"""
