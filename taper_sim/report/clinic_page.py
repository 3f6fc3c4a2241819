"""The page of a clinic run: an answer, then its reasons. Imports ``clinic_text``, ``clinic_figures``, ``page_parts``.

Everything is computed from the run's tables, so that a saved run gives the same page.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow.parquet as pq

from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.report.backlog import BACKLOG_COLUMNS, backlog_by_week, backlog_figure
from taper_sim.report.clinic_figures import week_figure
from taper_sim.report.clinic_text import BREAKS, LATE_WORK, NEED_MEANS, breaks_first, growing_queues, late_work
from taper_sim.report.harm_words import HEADLINE_EVENTS, event_sentence, event_table, health_rows
from taper_sim.report.methods import people_are_sampled
from taper_sim.report.page_parts import PageSection, PageTable, Picture, RunPage, picture, write_figure
from taper_sim.report.panel_figure import full_text, panel_figure
from taper_sim.report.replicated import FEWEST_REPLICATIONS, replication_sentences, value_text, without_few
from taper_sim.report.run_tables import rows_by, rows_where
from taper_sim.report.stress_des import stress_section
from taper_sim.report.waiting_groups import SERVICE_OF_GROUPS, group_name, groups_sentences
from taper_sim.report.wording import count, name_text, number_text, percent
from taper_sim.run_folder import MANIFEST_FILE, read_record, read_table
from taper_sim.units import WEEK_D

_OF_EVENTS: Final = (
    "protocol",
    "replication",
    "role",
    "work",
    "due",
    "started",
    "ended",
    "requested",
    "outcome",
    "why",
)
_TEXTS: Final = ("protocol", "metric", "role", "work", "subgroup", "unit", "outcome", "reference", "direction")


@dataclass(frozen=True)
class ClinicTables:
    """Manifest and tables of a clinic's output folder, and the backlog by week; a run of before may lack ``panels``."""

    manifest: dict[str, Any]
    summary: pd.DataFrame
    differences: pd.DataFrame
    service: pd.DataFrame
    backlog: pd.DataFrame
    panels: pd.DataFrame

    @property
    def n(self) -> int:
        """Replications."""
        return int(self.manifest["replications"])

    @property
    def patients(self) -> int:
        """Patients of a replication."""
        return int(self.manifest["patients"]["n"])

    @property
    def protocols(self) -> list[str]:
        """Names of the protocols in the scenario's order."""
        return [str(name) for name in self.manifest["protocols"]]

    @property
    def days(self) -> int:
        """Days of the run."""
        return int(self.manifest["days"])

    def of(self, protocol: str, text: str = "") -> str:
        """A text of a protocol, which names the protocol only if the run has several."""
        return text if len(self.protocols) == 1 else f"{protocol}: {text}"


def texts_table(path: Path) -> pd.DataFrame:
    """A table of a clinic whose texts stay as they are, also a name such as NA; an empty text is no missing value."""
    heads = read_table(path, nrows=0).columns
    numbers = {name: ["", "NaN", "nan"] for name in heads if name not in _TEXTS}
    kinds = {name: str for name in heads if name in _TEXTS}
    return read_table(path, dtype=kinds, keep_default_na=False, na_values=numbers)


def read_clinic(folder: Path) -> ClinicTables:
    """Read the manifest and the tables of a finished clinic run."""
    manifest = read_record(folder / MANIFEST_FILE, {"kind": str}, "the folder of a finished run")
    summary, differences, service = (
        texts_table(folder / f"{name}.csv") for name in ("summary", "differences", "service")
    )
    log = pq.ParquetFile(folder / "events.parquet")
    names = [*_OF_EVENTS, "clock", "urgency"]
    events = log.read(columns=[name for name in names if name in log.schema_arrow.names]).to_pandas()
    is_whole = set(_OF_EVENTS) <= set(events.columns)  # a log of an earlier version may lack a column
    backlog = backlog_by_week(events, int(manifest["days"])) if is_whole else pd.DataFrame(columns=[*BACKLOG_COLUMNS])
    file = folder / "panels.csv"
    panels = texts_table(file) if file.exists() else pd.DataFrame(columns=["protocol"])
    return ClinicTables(manifest, summary, differences, service, backlog, panels)


def clinic_page(folder: Path, tables: ClinicTables) -> RunPage:
    """The page; the figures are written into the folder."""
    week = write_figure(folder, "week", "A week of the clinic: work by person", week_figure(folder))
    first = tables.protocols[0]
    backlog = rows_where(tables.backlog, protocol=first)
    drawn = write_figure(folder, "backlog", "Backlog by discipline and week", backlog_figure(backlog))
    panels = rows_where(tables.panels, protocol=first)
    curve = (
        write_figure(folder, "panels", "Late visits by size of the panel", panel_figure(panels, tables.patients))
        if len(panels)
        else []
    )
    sections = (
        PageSection(
            "breaks",
            "What breaks first",
            tuple(line for protocol in tables.protocols for line in _breaks(tables, protocol)),
            tuple(_roles(tables, protocol) for protocol in tables.protocols),
        ),
        PageSection("panel", "How many patients", *_panel(folder, tables, curve)),
        PageSection(
            "backlog",
            "Backlog in days of work",
            (
                "The backlog is the work that was due and had not begun at midnight, in days of the discipline's own "
                "pace. Booked visits count from the day on which they were first due. A clinic that closes at "
                "weekends has a backlog even if nothing is late: work that is due on a Saturday waits until Monday.",
            ),
            tuple(table for protocol in tables.protocols for table in _backlog_tables(tables, protocol)),
            (
                picture(
                    folder,
                    drawn[0],
                    f"Backlog by discipline, {first}",
                    "Mean over replications, a point a week. A line that rises is a queue that grows. Colours mark the "
                    "three longest backlogs.",
                    "Line chart of the backlog in days of work by week, a line for each discipline. The numbers are in "
                    "figures/backlog.csv.",
                    is_wide=False,
                ),
            )
            if len(backlog)
            else (),
        ),
        PageSection("waits", "Who waits longer", *_groups(tables)),
        PageSection("harm", "Harm, against unlimited staff", *_harm(tables)),
        PageSection(
            "late-work", "Alarms, and late work that reaches people", _late_sentences(tables), _late_work(tables)
        ),
        PageSection("levers", "What the lead can change", lever_sentence(tables.manifest)),
        PageSection("worth", "Cost beside health gained", (), tuple(_worth(tables, name) for name in tables.protocols)),
        PageSection(
            "week",
            "A week of working hours",
            (
                "`taper-sim events DIR --html FILE` writes a page that plays one day; `--xes` and `--ocel` write the "
                "log for process mining.",
            ),
            pictures=(
                picture(
                    folder,
                    week[0],
                    f"A week in the middle of the run, first replication, {first}",
                    "A row a person; a bar is a piece of work. Grey: on duty; hatched: on call.",
                    "Chart of a week: for each person the hours on duty and the work done, by kind of work. The "
                    "numbers are in figures/week.csv.",
                ),
            ),
        ),
        PageSection("basis", "Basis and limits of the results", _basis(tables)),
        stress_section(tables.manifest),
    )
    return RunPage("clinic run", sections, (*week, *drawn, *curve))


def answer_of_clinic(tables: ClinicTables, protocol: str) -> Iterator[str]:
    """The answer for the lead: the most patients and what is full first, whether the team keeps up, the harm.

    If the team does not keep up, this is the first sentence.
    """
    start = tables.of(protocol)
    if tables.manifest["scenario"]["clinic"]["unlimited"]:
        yield f"{start}Staff are unlimited in this run: nothing waits, and the run says nothing about a team."
        return
    service = rows_where(tables.service, protocol=protocol)
    size = f"With {count(tables.patients, 'patient')} this team of {tables.manifest['team']['people']}"
    late = rows_where(late_work(service), work="").sort_values("beyond", ascending=False)
    breaks = len(late) > 0 and late.iloc[0]["beyond"] > BREAKS
    if breaks:
        worst = late.iloc[0]
        yield (
            f"{start}{size} does not keep up: the {name_text(worst['role'])} breaks first, with "
            f"{percent(worst['beyond'])} of the work late or lost for want of people."
        )
        yield _too_many(tables, protocol)
    for sentence in _panel_sentences(tables.manifest, protocol):
        yield sentence if breaks else start + sentence
    if not breaks:
        if growing_queues(without_few(service, "lo95", "hi95")):
            yield f"{start}{size} begins its work in time, but a queue still grows at the end of the run."
        else:
            yield (
                f"{start}{size} keeps up for {count(tables.days, 'day')}: no discipline has more than "
                f"{percent(BREAKS)} of its work late or lost for want of people."
            )
    if tables.patients < SMALLEST_CELL:
        yield f"The panel has fewer than {SMALLEST_CELL} people, so harm is not reported."
        return
    yield event_sentence(_differences(tables, protocol), "mental_health_crisis", tables.n, tables.days)


def _too_many(tables: ClinicTables, protocol: str) -> str:
    """Whether the panel is too large for the team, or only enrols too fast."""
    panel = tables.manifest.get("panel", {}).get(protocol, {})
    in_care, enrolled = ((panel.get(phase) or {}).get("most_patients") for phase in ("steady_state", "enrolling"))
    if in_care is not None and enrolled is not None and enrolled < tables.patients <= in_care:
        days = count(tables.manifest["enrolled_over_d"], "day")
        return f"It has room for {tables.patients:,} in care, but not for {tables.patients:,} who enrol within {days}."
    return f"The number that this team can keep up with is below {tables.patients:,}."


def _panel_sentences(manifest: Mapping[str, Any], protocol: str) -> Iterator[str]:
    """The largest panels by what the appointment book can place and by planned work; nothing without such work."""
    panel = manifest.get("panel", {}).get(protocol, {})
    steady, at_first = panel.get("steady_state"), panel.get("enrolling")
    if not steady:
        return
    enrolled = (
        ""
        if not at_first
        else (f", and for {at_first['most_patients']:,} enrolled within {count(manifest['enrolled_over_d'], 'day')}")
    )
    yield (
        f"This team has room for {steady['most_patients']:,} patients in care at a time{enrolled}; full first: "
        f"{full_text(steady['full_first'])}."
    )


def _range_text(panel: Mapping[str, Any]) -> str:
    """The smallest and the largest stated panel over replications; a dash where only one is known."""
    stated = panel.get("by_replication", ())
    return f"{min(stated):,} to {max(stated):,}" if len(stated) > 1 else "–"


def _panel(
    folder: Path, tables: ClinicTables, curve: Sequence[Path]
) -> tuple[tuple[str, ...], tuple[PageTable, ...], tuple[Picture, ...]]:
    """The stated panels, what they rest on, and late visits by size of the panel."""
    rows = []
    for protocol in tables.protocols:
        panel = tables.manifest.get("panel", {}).get(protocol, {})
        for phase, words in (("steady_state", "in care at a time"), ("enrolling", "enrolled in these days")):
            if panel.get(phase):
                cells = (
                    f"{panel[phase]['most_patients']:,}",
                    _range_text(panel[phase]),
                    full_text(panel[phase]["full_first"]),
                )
                rows.append((tables.of(protocol, words), *cells))
    if not rows:
        return (), (), ()
    days = count(tables.manifest["enrolled_over_d"], "day")
    sentences = (
        "The numbers follow from planned work and from what the appointment book can place. Alerts and urgent visits "
        f"come on top. This run has {count(tables.patients, 'patient')}, enrolled within {days}.",
        "Other patients of the same description have other numbers. The range is over the patients of the first "
        "replications, of five at most.",
    )
    table = PageTable(
        "Most patients of this team: as many as leave at most a tenth of the visits late and no hours short.",
        ("Patients", "Most", "Range", "Full first"),
        tuple(rows),
    )
    if not curve:
        return sentences, (table,), ()
    shown = picture(
        folder,
        curve[0],
        tables.of(tables.protocols[0], "Late visits by size of the panel"),
        "A rehearsal of the appointment book that is full first, without simulated patients. The most patients of "
        "the table are where a line reaches the target.",
        "Line chart of the share of visits that begin late by number of patients, in steady state and while the panel "
        "enrols. The numbers are in figures/panels.csv.",
        is_wide=False,
    )
    return sentences, (table,), (shown,)


def _differences(tables: ClinicTables, protocol: str) -> pd.DataFrame:
    return rows_where(tables.differences, protocol=protocol, subgroup="all")


def _breaks(tables: ClinicTables, protocol: str) -> list[str]:
    service = rows_where(tables.service, protocol=protocol)
    roles = rows_where(service, metric="utilisation", subgroup="all").sort_values("mean", ascending=False)
    lines = [*breaks_first(service, roles), *growing_queues(without_few(service, "lo95", "hi95"))]
    return [tables.of(protocol, line) for line in lines]


def _roles(tables: ClinicTables, protocol: str) -> PageTable:
    """Busy, late for want of people, late because closed, and overtime by discipline, the most late first."""
    service = rows_where(tables.service, protocol=protocol, subgroup="all")
    late = rows_where(late_work(service), work="").sort_values("beyond", ascending=False)
    fte = tables.manifest["team"].get("fte", {})
    rows = []
    for role in late["role"]:
        own = rows_by(rows_where(service, role=role, work=""), "metric")
        beyond = number_text(100.0 * float(late.loc[late["role"] == role, "beyond"].iloc[0]), 0)
        rows.append(
            (
                name_text(role),
                f"{fte[role]:g}" if role in fte else "–",
                value_text(own.get(("utilisation",)), 100.0, 0),
                value_text(own.get(("late",)), 100.0, 0),
                value_text(own.get(("late_closed",)), 100.0, 0),
                beyond,
                value_text(own.get(("overtime",)), 1.0, 1),
            )
        )
    heads = ("Discipline", "FTE", "Busy, % of duty", "Late or lost, %", "of it closed hours, %", "of it people, %")
    caption = (
        "Late or lost: not begun within its time, or never done. Closed hours: no worker of the "
        "discipline was on duty, so that more staff at the same hours would not help. People: the rest, without an "
        "interval of its own."
    )
    return PageTable(tables.of(protocol, caption), (*heads, "Overtime, h a week"), tuple(rows))


def _backlog_tables(tables: ClinicTables, protocol: str) -> Iterator[PageTable]:
    own = rows_where(tables.backlog, protocol=protocol)
    if len(own) == 0:
        return
    last = int(own["week"].max())
    whole, end = (part.groupby("role")["backlog_d"].mean() for part in (own, own[own["week"] == last]))
    waiting = own[own["week"] == last].groupby("role")["waiting"].mean()
    rows = tuple(
        (name_text(str(role)), number_text(whole[role], 1), number_text(end[role], 1), number_text(waiting[role], 1))
        for role in whole.sort_values(ascending=False).index
    )
    heads = (
        "Discipline",
        "Backlog, mean of the run, days",
        f"Backlog, week {last}, days",
        f"Waiting pieces, week {last}",
    )
    caption = "Mean over midnights and replications, the largest backlog first."
    yield PageTable(tables.of(protocol, caption), heads, rows)


def _groups(tables: ClinicTables) -> tuple[tuple[str, ...], tuple[PageTable, ...]]:
    sentences, shown = [], []
    for protocol in tables.protocols:
        service = rows_where(tables.service, protocol=protocol, role="", work="")
        service = service[service["subgroup"] != "all"]
        harms = rows_where(tables.differences, protocol=protocol, outcome="composite")
        groups = list(dict.fromkeys(service["subgroup"]))
        values, lost = rows_by(service, "subgroup", "metric"), rows_by(harms, "subgroup")
        rows = []
        for group in groups:
            cells = [
                value_text(values.get((group, metric)), factor, digits)
                for metric, _, factor, digits in SERVICE_OF_GROUPS
            ]
            rows.append((group_name(group), *cells, value_text(lost.get((group,)), 1.0, 3, tables.n)))
        sentences += [tables.of(protocol, line) for line in groups_sentences(service, tables.n)]
        if rows:
            heads = ("People", *(label for _, label, _, _ in SERVICE_OF_GROUPS), "Harm, important differences")
            caption = (
                "Harm: the composite minus that with unlimited staff; positive is worse. A group of "
                f"fewer than {SMALLEST_CELL} people a replication is left out; a "
                "number without brackets comes from too few replications."
            )
            shown.append(PageTable(tables.of(protocol, caption), heads, tuple(rows)))
    return tuple(dict.fromkeys(sentences)), tuple(shown)


def _harm(tables: ClinicTables) -> tuple[tuple[str, ...], tuple[PageTable, ...]]:
    if tables.patients < SMALLEST_CELL:
        return (f"Hidden: the panel has fewer than {SMALLEST_CELL} people.",), ()
    sentences, shown = [], []
    for protocol in tables.protocols:
        rows = _differences(tables, protocol)
        sentences += [
            tables.of(protocol, event_sentence(rows, name, tables.n, tables.days)) for name in HEADLINE_EVENTS
        ]
        with_team = rows_where(tables.summary, protocol=protocol, subgroup="all")
        shown.append(event_table(tables.of(protocol), with_team, rows, tables.n, tables.days))
    sentences.append(
        "Harm reaches a person only by the paths of the model: care that is not given, a slower taper, and what the "
        "documentation of the clinic lists. A path that is not modelled shows no harm here."
    )
    return tuple(sentences), tuple(shown)


def _late_sentences(tables: ClinicTables) -> tuple[str, ...]:
    """What true means, and the harm paths that are switched off."""
    paths = tables.manifest["scenario"]["clinic"].get("harm_paths", {})  # a run of an earlier version has none
    off = ", ".join(name for name, acts in paths.items() if not acts)
    return (NEED_MEANS, *([f"Harm paths that are switched off in this run: {off}."] if off else []))


def _late_work(tables: ClinicTables) -> tuple[PageTable, ...]:
    """Accuracy of the alarms, and what late work does to people, for each protocol."""
    shown = []
    for protocol in tables.protocols:
        service = rows_by(rows_where(tables.service, protocol=protocol, role="", subgroup="all"), "metric", "work")
        rows = [
            (label, value_text(service[metric, kind], factor, digits))
            for metric, kind, label, factor, digits in LATE_WORK
            if (metric, kind) in service
        ]
        caption = f"{protocol}. Late work is counted also where its harm path is switched off."
        shown.append(PageTable(caption, ("What", "With this team"), tuple(rows)))
    return tuple(shown)


def lever_sentence(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """What this run cannot say of the three levers, and the command that tests them."""
    return (
        "This run changed nothing, so it cannot say what hiring one, enrolling fewer or checking in half as often "
        f"would do. `taper-sim staffing {manifest['scenario_file']}` tests these three levers on the same patients.",
    )


def _worth(tables: ClinicTables, protocol: str) -> PageTable:
    """Cost of the team beside the patients' health, each also minus that with unlimited staff."""
    rows: list[tuple[str, ...]] = []
    if not tables.manifest["scenario"]["clinic"]["unlimited"]:
        week = tables.manifest["team"]["cost_usd"] / tables.days * WEEK_D
        cost = rows_where(tables.service, protocol=protocol, metric="cost", subgroup="all")
        rows.append(("cost of the team", "USD a week", number_text(week, 0), "–", "–", "–"))
        for row in cost.to_dict("records"):
            value = value_text(row, 1.0, 0)
            rows.append(("cost of the team", "USD a patient and 30 days", value, "–", "–", "–"))
    if tables.patients >= SMALLEST_CELL:
        with_team = rows_where(tables.summary, protocol=protocol, subgroup="all")
        rows += health_rows(with_team, _differences(tables, protocol), tables.n)
    heads = (
        "What",
        "Unit",
        "With this team",
        "Minus unlimited staff",
        "Smallest important",
        "Share of an important one",
    )
    caption = (
        "Unlimited staff have no cost, so that this table shows the most that more staff could gain. The "
        "last column is the size of the difference in smallest important differences."
    )
    return PageTable(tables.of(protocol, caption), heads, tuple(rows))


def _basis(tables: ClinicTables) -> tuple[str, ...]:
    manifest = tables.manifest
    kind = "simulated people" if people_are_sampled(manifest) else "people from a file, whose courses are simulated"
    lines = [
        f"{tables.patients:,} {kind} in each replication, {count(tables.days, 'day')}, "
        f"{count(len(tables.protocols), 'protocol')}.",
        *replication_sentences(tables.n),
        "Each replication has its own patients, random numbers and parameter draw. Differences compare the same "
        "patients with this team and with unlimited staff.",
    ]
    if tables.n >= FEWEST_REPLICATIONS:
        short = rows_where(tables.service, metric="late", subgroup="all", work="").loc[lambda rows: rows["role"] != ""]
        short = short[(short["needed"].isna()) & (short["mean"] > BREAKS)]
        if len(short):
            roles = ", ".join(dict.fromkeys(name_text(role) for role in short["role"]))
            lines.append(
                f"The replications are too few for an interval within 10 % of the mean of late work of: {roles}."
            )
    unsettled = rows_where(tables.service, metric="queue", subgroup="all", work="").loc[lambda rows: rows["role"] != ""]
    unsettled = unsettled[unsettled["settled"].astype(str) == "False"]
    if len(unsettled):
        roles = ", ".join(dict.fromkeys(name_text(role) for role in unsettled["role"]))
        lines.append(f"Queues that had not settled when the run ended, so that a longer run may differ: {roles}.")
    important = BY_NAME["composite"].unit
    lines.append(f"The composite counts all outcomes by the scenario's weights, in {important}; it is a judgement.")
    return tuple(lines)
