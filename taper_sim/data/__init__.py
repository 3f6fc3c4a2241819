"""Input data: patients, check-ins, doses, drugs, validated on reading. Imports ``tables``, ``model``, ``units``."""
