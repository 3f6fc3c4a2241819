"""Policies, which order doses: interface, calls, schedules, presets, rules, oracle. Imports ``data``, ``model``.

A policy sees check-ins and no part of the simulation; only the oracle sees the true state.
"""
