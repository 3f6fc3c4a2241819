"""A page printed to PDF by the system's browser. Imports ``data.problems``; ``playwright`` when a page is printed.

The browser gets the text of the page, runs no script and may load nothing.
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from taper_sim.data.problems import problem
from taper_sim.run_folder import write_atomically

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_OPTION: Final = "--pdf"
_NEEDED: Final = "Chromium, Chrome or Edge on the path"


def browser_path() -> str:
    """The system's browser.

    Raises
    ------
    InputError
        If there is none, or if the package that drives it is missing.
    """
    if find_spec("playwright") is None:
        raise problem(_OPTION, "", "an installation without playwright", "`pip install 'taper-sim[pdf]'`")
    for name in _BROWSERS:
        if (path := shutil.which(name)) is not None:
            return path
    raise problem(_OPTION, "", "no browser", _NEEDED)


def printed(page: str) -> bytes:
    """A page as a tagged PDF of A4 pages.

    Parameters
    ----------
    page : str
        HTML that loads nothing.

    Raises
    ------
    InputError
        If there is no browser, or if it fails.
    """
    path = browser_path()
    with ThreadPoolExecutor(1) as thread:  # the driver refuses a thread with an event loop, as a notebook has
        return thread.submit(_printed, page, path).result()


def _printed(page: str, path: str) -> bytes:
    from playwright.sync_api import Error, sync_playwright

    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=path, args=as_root)
            try:
                tab = browser.new_context(java_script_enabled=False, offline=True).new_page()
                tab.set_content(page)
                content = tab.pdf(format="A4", prefer_css_page_size=True, tagged=True, outline=True)
            finally:
                browser.close()
    except Error as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise problem(_OPTION, "", f"a browser that failed: {first}", _NEEDED) from None
    return bytes(content)


def write_pdf(content: bytes, path: Path) -> None:
    """Write a printed page atomically."""
    write_atomically(path, lambda handle: handle.write(content))
