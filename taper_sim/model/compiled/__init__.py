"""The model compiled for many people and many days (docs/kernel.md). Imports ``model``, ``rng``."""
