"""What a notebook imports, by way of ``import taper_sim as ts``. Imports everything below ``cli``.

``people`` makes a cohort, ``comparison`` compares protocols on it, ``recommendation`` answers for one patient, ``runs``
holds the other commands' results, ``sensitivity`` varies parameters, ``display`` and ``plots`` show all of them.
"""
