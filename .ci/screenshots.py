"""Pictures of explorers, the page, the brief and papers: ``python .ci/screenshots.py``; needs the tests' browser."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

import taper_sim as ts
from taper_sim.recommend.answer import RecommendationFields
from taper_sim.recommend.own_plan import Weighed
from taper_sim.serve.agreement import decide, decisions_of, log_offer
from taper_sim.serve.papers.conversation import Conversation
from taper_sim.serve.papers.paper_contents import paper_page
from taper_sim.serve.patient_store import PatientStore
from taper_sim.serve.reckoner import Reckoned

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


def papers() -> dict[str, tuple[str, int, int]]:
    """Papers of the example as pages, with the width and height of their pictures, px."""
    answer = json.loads((ROOT / "tests" / "serve" / "stored_answer.json").read_text())
    flag = {"flag": "seizure", "state": "true", "urgency": "same_day", "acknowledged_by": ""}
    talk = Conversation({"call_day": "Dr Lee, 555 0100", "call_night": "On-call pharmacist, 555 0199"})
    day = date(2026, 3, 29)
    with TemporaryDirectory() as folder:
        files = {name: (ROOT / "examples" / name).read_text() for name in ("checkins.csv", "doses.csv")}
        patient = PatientStore(Path(folder), is_shared=True).add("", "p1", files)
        fields = RecommendationFields(answer)
        offer = {"offer": log_offer(patient, fields), "action": "accept", "by": "Dr Lee", "reason": "we want to try it"}
        decide(patient, fields, offer, day)
        pages = {}
        for name, flags, width, height in (("papers_decision", [], 700, 900), ("papers_hold", [flag], 390, 640)):
            weighed = Weighed(RecommendationFields(answer | {"red_flags": flags}))
            reckoned = Reckoned(weighed, patient.history())
            decision = decisions_of(patient)[0]
            page = paper_page("decision", patient.key, reckoned, decision, talk, "en", day, for_print=True)
            pages[name] = (page, width, height)
    return pages


@contextmanager
def served() -> Iterator[str]:
    """The address of a page that is served on a free port."""
    command = [sys.executable, "-m", "taper_sim.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:  # noqa: S603
        yield process.stdout.readline().split()[2]
        process.terminate()


def clinician_page(browser) -> None:
    """The example patient as a prescriber sees it first."""
    with served() as address:
        page = browser.new_page(viewport={"width": 1280, "height": 1300})
        page.set_default_timeout(180_000)  # the first answer compiles
        page.goto(address)
        page.get_by_role("button", name="Open the example").click()
        page.wait_for_url("**/patients/*")
        page.screenshot(path=ROOT / "docs" / "clinician_page.png")


def committee_brief(browser) -> None:
    """The first screen of a comparison's report."""
    with TemporaryDirectory() as folder:
        scenario, run = ROOT / "scenarios" / "opioid_protocols.yaml", Path(folder) / "run"
        command = [sys.executable, "-m", "taper_sim.cli", "compare", str(scenario), "--patients", "2000"]
        subprocess.run([*command, "--out", str(run)], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto((run / "report.html").as_uri())
        page.screenshot(path=ROOT / "docs" / "committee_brief.png")


def main() -> None:
    """Write the pictures of ``docs/`` that show a page; with an argument only those whose names begin with it."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    makers = {
        "explorer": lambda: ts.explorer(pace_pct=20, every_d=7, who="all with PTSD"),
        "staffing_explorer": lambda: ts.staffing_explorer(ROOT / "scenarios" / "staffing_small.yaml"),
    }
    widgets = {name: make() for name, make in makers.items() if name.startswith(wanted)}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, (text, width, height) in papers().items() if "papers".startswith(wanted) else ():
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_content(text)
            page.screenshot(path=ROOT / "docs" / f"{name}.png")
        if "clinician_page".startswith(wanted):
            clinician_page(browser)
        if "committee_brief".startswith(wanted):
            committee_brief(browser)
        for name, widget in widgets.items():
            page = browser.new_page(viewport={"width": WIDTH_PX, "height": 600})
            page.set_content(page_of(widget))
            page.locator(".taper-explorer").screenshot(path=ROOT / "docs" / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
