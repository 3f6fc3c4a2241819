"""Reads FHIR R4 bundles into patients' histories. Imports ``data``, ``tables``, ``model``.

The reading rules are in docs/how-to/fhir.md.
"""

from taper_sim.data.fhir.bundle import BundleReading, read_bundle
from taper_sim.data.fhir.json_input import is_json

__all__ = ["BundleReading", "is_json", "read_bundle"]
