"""Speed of the clinician's page in a browser: a warm page until it is ready, and a schedule until it is projected.

``python -m benchmarks.page_speed [--times N] [--out docs/tables/page_speed.csv]`` starts `taper-sim serve` and Debian's
Chromium on this machine. Each projection has another dose than the one before.
"""

import argparse
import csv
import os
import platform
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

HEADER = ("machine", "date", "what", "times", "median_ms", "p95_ms")
_WAIT_MS = 180_000
"""Longest wait, milliseconds: the first answer compiles."""
_PROJECTED = """
() => new Promise((done) => {
  const began = performance.now();
  document.body.addEventListener("htmx:afterSettle", () => done(performance.now() - began), { once: true });
  document.querySelector("form.plan button").click();
})
"""
DOSES = (45.0, 60.0)
"""Doses of the first row that take turns, mg a day: tablets give both."""


def loaded_ms(page: Page, address: str) -> float:
    """Milliseconds until a page and everything on it is loaded."""
    began = time.perf_counter()
    page.goto(address, wait_until="load")
    return 1000.0 * (time.perf_counter() - began)


def projected_ms(page: Page, dose: float) -> float:
    """Milliseconds from the click to the projected schedule on the page."""
    page.locator("[name=dose_1]").fill(f"{dose:g}")
    return float(page.evaluate(_PROJECTED))


def measured(times: int) -> list[tuple[str, int, float, float]]:
    """Rows of what was measured: what, how often, median and 95th percentile."""
    command = [sys.executable, "-m", "taper_sim.cli", "serve", "--port", "0"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server,
        sync_playwright() as driver,
    ):
        address = server.stdout.readline().split()[2]  # type: ignore[union-attr]
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(_WAIT_MS)
        page.goto(address)
        page.get_by_role("button", name="Open the example").click()
        page.wait_for_url("**/patients/*")
        loads = [loaded_ms(page, page.url) for _ in range(times)]
        projected_ms(page, DOSES[0])
        projections = [projected_ms(page, DOSES[k % 2]) for k in range(1, times + 1)]
        browser.close()
        server.terminate()
    return [
        (what, times, float(np.median(took)), float(np.quantile(took, 0.95)))
        for what, took in (("page ready, warm", loads), ("schedule projected", projections))
    ]


def main() -> None:
    """Measure, print, and write the table if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f} before"
    )
    rows = [
        (machine, date.today().isoformat(), what, n, round(m), round(p)) for what, n, m, p in measured(arguments.times)
    ]
    for row in rows:
        print(*row[2:])
    if arguments.out is not None:
        with arguments.out.open("w", newline="") as handle:
            csv.writer(handle, lineterminator="\n").writerows([HEADER, *rows])


if __name__ == "__main__":
    main()
