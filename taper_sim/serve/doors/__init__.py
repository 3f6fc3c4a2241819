"""Doors for other programs: JSON API, CDS Hooks, SMART launch. Imports ``serve``, ``recommend``, ``safety``, ``data``.

A door answers what the page and the command line answer, in another form, and adds no rule of its own about safety.
Only ``smart_client`` contacts another machine: the FHIR server that the start names (docs/how-to/ehr.md).
"""
