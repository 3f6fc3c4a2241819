"""Tests, one folder a package; each is named as the sentence it holds."""
