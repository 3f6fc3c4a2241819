"""What a patient's record says of them: likelihood, posterior, roll-out. Imports ``safety``, ``simulation``, ``model``.

``population`` learns from many people's records; it is the only room that loads PyMC outside ``studies``.
"""
