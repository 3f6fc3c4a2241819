"""What ``taper-sim store`` does, as lines to show. Imports ``backups``."""

from pathlib import Path

from taper_sim.serve.store.backups import back_up, check_file, export, restore
from taper_sim.serve.store.database import DATABASE_FILE


def store_lines(what: str, folder: Path, file: Path | None) -> list[str]:
    """Back up, restore, check or export the database of a folder; raises InputError with every problem."""
    if what == "backup" and file is not None:
        return [f"written to {file}: {back_up(folder, file).in_words()}"]
    if what == "restore" and file is not None:
        return [f"restored to {folder}: {restore(file, folder).in_words()}"]
    if what == "export" and file is not None:
        return [f"{export(folder, file)} patients written to {file}"]
    contents = check_file(folder / DATABASE_FILE)
    return [f"whole: {contents.in_words()}", "note the last hash elsewhere: it reveals entries removed from the end"]
