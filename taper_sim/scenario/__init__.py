"""The composition root: files into objects and objects into runs. Imports everything below it.

``schema`` says what a scenario file may hold, ``building`` makes the objects, ``comparing`` runs a comparison,
``tracing`` follows a patient.
"""
