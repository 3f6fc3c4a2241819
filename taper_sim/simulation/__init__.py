"""A cohort under a policy, day by day. Imports ``cohort``, ``policies``, ``runs`` and below.

``ensemble`` draws parameters, ``people`` turns a cohort into the kernel's arrays, ``dispensing`` orders into doses,
``days`` runs them, ``trace`` follows one patient.
"""
