"""The database of the pages: one file, numbered migrations, a chained audit. Imports ``data``, ``run_folder``."""
