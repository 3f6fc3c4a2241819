"""Papers for the patient, the caregiver and colleagues. Imports ``serve``, ``report``, ``recommend`` and below.

Every word of a paper stands in its template; the Spanish words stand in ``catalogues/es.po``. A paper shows what was
agreed and never what was only proposed. While a flag of today stands, it shows a hold and whom to call instead.
"""
