"""The committee's brief of a run of any kind, and its page. Imports ``report`` and below."""
