"""FHIR R4 bundles into histories, entry by entry. Imports ``data``, ``tables``, ``model``.

Rules: docs/how-to/fhir.md.
"""

from taper_sim.data.fhir.bundle import BundleReading, read_bundle

__all__ = ["BundleReading", "read_bundle"]
