"""An EHR that exists for tests: SMART launch with PKCE, FHIR R4 read and search, twenty simulated patients.

``python -m tests.serve.fake_ehr`` runs it on this machine.
"""
