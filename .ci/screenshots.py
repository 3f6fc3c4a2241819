"""Pictures of the explorers for the README: ``python .ci/screenshots.py``; needs the browser of the tests."""

import json
from pathlib import Path

from playwright.sync_api import sync_playwright

import taper_sim as ts

ROOT = Path(__file__).resolve().parent.parent
WIDTH_PX = 900
#: A page with the widget's own part, and a model that holds its state and answers nothing.
PAGE = """<!doctype html><html lang="en"><title>explorer</title><style>body {{ margin: 0 }} {css}</style><main></main>
<script type="module">{esm}
const state = {state};
render({{ model: {{ get: (name) => state[name], set() {{}}, on() {{}}, off() {{}}, save_changes() {{}} }},
  el: document.querySelector("main") }});</script></html>"""


def page_of(widget) -> str:
    """A page that shows a widget as it is."""
    state = {name: getattr(widget, name) for name in ("title", "controls", "form", "shown", "problem")}
    esm = widget._esm.replace("export default { render };", "")
    return PAGE.format(css=widget._css, esm=esm, state=json.dumps(state))


def main() -> None:
    """Write ``docs/explorer.png`` and ``docs/staffing_explorer.png``."""
    widgets = {
        "explorer": ts.explorer(pace_pct=20, every_d=7, who="all with PTSD"),
        "staffing_explorer": ts.staffing_explorer(ROOT / "scenarios" / "staffing_small.yaml"),
    }
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, widget in widgets.items():
            page = browser.new_page(viewport={"width": WIDTH_PX, "height": 600})
            page.set_content(page_of(widget))
            page.locator(".taper-explorer").screenshot(path=ROOT / "docs" / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
