"""FHIR R4 bundles into histories, entry by entry. Imports ``data``, ``tables``, ``model``.

Rules: docs/how-to/fhir.md.
"""

from taper_sim.data.fhir.bundle import BundleReading, read_bundle
from taper_sim.data.fhir.json_input import is_json

__all__ = ["BundleReading", "is_json", "read_bundle"]
