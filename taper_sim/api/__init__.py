"""Public Python interface, ``import taper_sim as ts``. Imports everything below ``cli``.

``cohorts`` makes people, ``comparison`` compares protocols on them, ``patient_recommendation`` gives one patient's
options. ``runs`` has the results of the other runs, ``population_fit`` and ``patient_trace`` those of their commands.
``sensitivity`` varies parameters. ``reported_runs`` is the part of a run that the commands share.
"""
