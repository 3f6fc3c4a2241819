"""Simulation of a cohort under a policy, day by day. Imports ``policies``, ``data``, ``model`` and below.

``cohort`` holds the patients, ``ensemble`` draws parameters, ``layout`` converts a cohort to the kernel's arrays,
``dispensing`` converts orders to dispensed doses, ``days`` runs the simulation, ``misspecification`` distorts it for
robustness studies, ``trace`` simulates one patient with the reference model.
"""
