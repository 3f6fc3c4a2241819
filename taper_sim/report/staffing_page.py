"""The page of a search for a team: an answer, then its reasons. Imports ``staffing_figures``, ``page_parts``.

Everything is computed from the run's tables, so that a saved run gives the same page.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from taper_sim.clinic.staffing.feasibility import share_interval
from taper_sim.report.harm_words import EVENT_WORDS, PER, difference_sentence, event_text, small_text
from taper_sim.report.methods import people_are_sampled
from taper_sim.report.page_parts import PageSection, PageTable, Picture, RunPage, picture
from taper_sim.report.replicated import (
    FEWEST_REPLICATIONS,
    few_sentence,
    replicated,
    replication_sentences,
    value_text,
    without_few,
)
from taper_sim.report.run_tables import rows_by, rows_where
from taper_sim.report.staffing_figures import HARM, write_staffing_figures
from taper_sim.report.target_text import bound_sentence, chance_sentence, target_words
from taper_sim.report.waiting_groups import SERVICE_OF_GROUPS, group_name
from taper_sim.report.what_if_text import WHAT_IF_METRICS, change_text, largest_panel
from taper_sim.report.wording import count, in_words, is_nothing, name_text, number_text, percent
from taper_sim.run_folder import MANIFEST_FILE, read_record, read_table
from taper_sim.scenario.staffing_schema import AGAINST, Target

_CRISIS: Final = f"mental_health_crisis{AGAINST}"
_ALL: Final = "all_targets"
_TODAY: Final = "as it is"
_PICTURES: Final = {
    "capacity": (
        "Late work of today's team by size of the panel",
        "Bars: 95 % interval over replications, from enough of them.",
        "Line chart of late or lost work against patients. The numbers are in figures/capacity.csv.",
    ),
    "harm": (
        "Harm by staffing",
        "More staff, less harm: a team far to the right without less harm than another costs more for nothing. Bars: "
        "95 % interval over replications, from enough of them.",
        "Chart of the harm of each tested team against its FTE. The numbers are in figures/harm.csv.",
    ),
    "tornado": (
        "What moves late work of today's team",
        "A bar a change of demand or supply, the largest first, on the same patients and random numbers. Orange: more "
        "late work; blue: less. Lines: 95 % interval over replications, from enough of them.",
        "Bar chart of the change of late work under each factor. The numbers are in figures/tornado.csv.",
    ),
}


@dataclass(frozen=True)
class StaffingTables:
    """Manifest and tables of a search's output folder; a what-if table is empty if the run has none."""

    manifest: dict[str, Any]
    teams: pd.DataFrame
    levers: pd.DataFrame
    capacity: pd.DataFrame
    tornado: pd.DataFrame
    equity: pd.DataFrame

    @property
    def chosen(self) -> str | None:
        """Name of the chosen team."""
        return None if self.manifest["chosen"] is None else str(self.manifest["chosen"]["team"])

    @property
    def is_by_harm(self) -> bool:
        """Whether the search minimises harm within a budget."""
        return str(self.manifest["minimise"]) == "harm"

    @property
    def days(self) -> int:
        """Days of the run."""
        return int(self.manifest["days"])

    @property
    def targets(self) -> list[str]:
        """Targets in words."""
        entry = self.manifest["scenario"]["clinic"]["staffing"] or {}
        return [target_words(Target(**target)) for target in entry.get("targets", [])] or list(self.manifest["targets"])

    @property
    def late_target(self) -> float | None:
        """Largest share of late work of the whole team that the run aims at."""
        entry = self.manifest["scenario"]["clinic"]["staffing"] or {}
        targets = [target for target in entry.get("targets", []) if target["metric"] == "late"]
        whole = [target["at_most"] for target in targets if not target.get("role") and not target.get("against")]
        return None if not whole or whole[0] is None else float(whole[0])

    @property
    def n_what_if(self) -> int:
        """Replications of the what-if runs."""
        return int(self.levers["n_replications"].max()) if len(self.levers) else 0


def read_staffing(folder: Path) -> StaffingTables:
    """Read the manifest and the tables of a finished search."""
    manifest = read_record(folder / MANIFEST_FILE, {"kind": str}, "the folder of a finished run")
    tables = []
    for name in ("staffing", "levers", "capacity", "tornado", "equity"):
        path = folder / f"{name}.csv"
        tables.append(read_table(path) if path.exists() else pd.DataFrame())
    return StaffingTables(manifest, *tables)


def staffing_page(folder: Path, tables: StaffingTables) -> RunPage:
    """The page; the figures are written into the folder."""
    written = write_staffing_figures(folder, tables.late_target, tables.chosen)
    pictures = {
        path.stem: picture(folder, path, *_PICTURES[path.stem], is_wide=False)
        for path in written
        if path.suffix == ".svg"
    }

    def drawn(name: str) -> tuple[Picture, ...]:
        return (pictures[name],) if name in pictures else ()

    sections = (
        PageSection("team", "The team", _team_sentences(tables), _team_table(tables)),
        PageSection("proof", "What the search proved, and what not", tuple(_proof(tables))),
        PageSection("tested", "Tested teams: cost beside harm", (), _tested(tables), drawn("harm")),
        PageSection(
            "capacity", "Capacity of today's team", _capacity_sentences(tables), _panels(tables), drawn("capacity")
        ),
        PageSection("levers", "What the lead can change", tuple(lever_sentences(tables)), _lever_tables(tables)),
        PageSection("tornado", "What else moves the result", (), _factors(tables), drawn("tornado")),
        PageSection("waits", "Who waits longer", *groups_of_teams(tables)),
        PageSection("basis", "Basis and limits of the results", tuple(_basis(tables))),
    )
    return RunPage("search for a team", sections, tuple(written))


def _teams_of(tables: StaffingTables, metric: str, role: str = "all") -> pd.DataFrame:
    return rows_where(tables.teams, metric=metric, role=role)


def _kind(tables: StaffingTables) -> str:
    if tables.is_by_harm:
        return "team with the least harm within the budget"
    return "cheapest team" if tables.manifest["minimise"] == "cost" else "smallest team"


def answer_of_staffing(tables: StaffingTables) -> Iterator[str]:
    """The answer for the lead: the team, the capacity of today's team, what breaks first, the harm beyond."""
    manifest = tables.manifest
    patients = count(int(manifest["patients"]["n"]), "patient")
    if manifest["chosen"] is None:
        none = manifest["teams"]["without_the_hours"] == manifest["teams"]["in_the_ranges"]
        reason = "has the hours for the planned work" if none else "is shown to meet the targets"
        yield f"For {patients} no team of the ranges {reason}."
    else:
        chosen = manifest["chosen"]
        of = " of the teams tested before the search stopped" if manifest["search_stopped"] else ""
        words = ", ".join(f"{name_text(role)} {fte:g}" for role, fte in chosen["fte"].items())
        meets = "" if tables.is_by_harm else " that meets the targets"
        yield (
            f"For {patients} the {_kind(tables)}{meets}{of} has {words} FTE, at {chosen['cost_usd_week']:,.0f} USD a "
            "week with all other roles as today."
        )
    if len(tables.capacity) == 0:
        yield "The run tested no other panels, so it does not say how many patients today's team can taper safely."
        return
    yield from _capacity_sentences(tables)


def _capacity_sentences(tables: StaffingTables) -> tuple[str, ...]:
    """The largest panel that meets the targets, the discipline that is short first, and crises at the next panel."""
    if len(tables.capacity) == 0:
        return ()
    largest, beyond = largest_panel(tables.capacity, float(tables.manifest["probability"]))
    lines = []
    if largest is None:
        lines.append("Today's team meets its targets with none of the tested panels.")
    else:
        more = "" if beyond is not None else ", the largest panel tested, so that the most is not known"
        lines.append(f"Today's team meets its targets with {largest:,} patients{more}: {_share_met(tables, largest)}.")
    short = _short_of(tables)
    if short:
        lines.append(f"The {name_text(short)} is the first to be short.")
    if beyond is not None:
        rows = tables.capacity[(tables.capacity["patients"] == beyond) & (tables.capacity["metric"] == _CRISIS)]
        if len(rows):
            change = replicated(rows.to_dict("records")[0], None, PER)
            sentence = difference_sentence(change, EVENT_WORDS["mental_health_crisis"], tables.days)
            lines.append(f"With {beyond:,} patients: {sentence[:1].lower()}{sentence[1:]}")
    return tuple(lines)


def _share_met(tables: StaffingTables, patients: int) -> str:
    """Replications of a panel in which all targets are met, and what that proves of the wanted share."""
    panel = tables.capacity[tables.capacity["patients"] == patients].iloc[0]
    n, wanted = int(panel["n_replications"]), float(tables.manifest["probability"])
    met = round(float(panel["p_meets"]) * n)
    low, high = share_interval(met, n)
    proof = "" if low >= wanted else f", too few to prove the wanted {percent(wanted)}"
    return f"in {met} of {count(n, 'replication')}, a share of {percent(low)} to {percent(high)}{proof}"


def _short_of(tables: StaffingTables) -> str:
    """The role that *hire one* adds: the one with the most work late for want of people."""
    hired = rows_where(tables.levers, name="hire one") if len(tables.levers) else tables.levers
    return str(hired.iloc[0]["what"]).removeprefix("one more ") if len(hired) else ""


def _team_sentences(tables: StaffingTables) -> tuple[str, ...]:
    share, targets = percent(float(tables.manifest["probability"])), "; ".join(tables.targets)
    if tables.is_by_harm:
        budget = tables.manifest["budget_usd_week"]
        return (f"Wanted: the least harm for {budget:,.0f} USD a week. Also reported: {targets}.",)
    return (f"Wanted, in {share} of replications: {targets}.",)


def _team_table(tables: StaffingTables) -> tuple[PageTable, ...]:
    if tables.chosen is None:
        return ()
    own = rows_where(tables.teams, team=tables.chosen)
    rows = []
    for role in dict.fromkeys(own["role"]):
        if role == "all":
            continue
        part = rows_where(own, role=role)
        values, first = rows_by(part, "metric"), part.iloc[0]
        cells = [value_text(values.get((metric,)), 100.0, 0) for metric in ("utilisation", "late")]
        rows.append((name_text(str(role)), f"{first['fte']:g}", f"{first['cost']:,.0f}", *cells))
    caption = "The chosen team by discipline. Late or lost: all of it, also for closed hours."
    return (PageTable(caption, ("Discipline", "FTE", "USD a week", "Busy, % of duty", "Late or lost, %"), tuple(rows)),)


def _proof(tables: StaffingTables) -> Iterator[str]:
    """What the search showed with its confidence, and what it left open."""
    manifest = tables.manifest
    teams, tried = manifest["teams"], list(manifest["teams"]["tried"].values())
    able = teams["in_the_ranges"] - teams["without_the_hours"]
    verdicts = ", ".join(f"{verdict} {tried.count(verdict)}" for verdict in dict.fromkeys(tried)) or "none"
    yield (
        f"{teams['in_the_ranges']:,} teams are in the ranges; {teams['without_the_hours']:,} have too few hours for "
        f"the planned work; {len(tried):,} of the other {able:,} were simulated: {verdicts}."
    )
    confidence = percent(float(manifest["confidence"]))
    if tables.is_by_harm:
        unit = manifest["harm"]["unit"]
        yield (
            f"With {confidence} confidence the best of the simulated teams is kept if it is better than the others by "
            f"{manifest['harm']['does_not_matter']:g} ({unit}); smaller differences count as none (Kim and Nelson)."
        )
        if manifest["search_stopped"]:
            yield "The replications ended before one team was left: the choice is the least harm so far, not proved."
    else:
        low, high = manifest["zone"]
        yield (
            f"With {confidence} confidence all verdicts of Wald's sequential test are right about teams that meet the "
            f"targets in {percent(high)} of replications or more, or in {percent(low)} or fewer; between these shares "
            "both verdicts are right."
        )
        yield bound_sentence(manifest["most_replications"], float(manifest["confidence"]))
        if manifest["search_stopped"]:
            yield "The search stopped at its largest number of teams."
        if manifest["chosen"] is not None and manifest.get("chance_missed") is not None:
            yield chance_sentence(manifest["chance_missed"], manifest["minimise"])
            yield (
                "The surrogate is a statistical model of the margins of all replications; it decides which team runs "
                "next. Not every cheaper team was simulated."
            )
        undecided = tried.count("undecided")
        if undecided:
            yield (
                f"{count(undecided, 'team')} stayed undecided after the last replication and counts as not meeting the "
                "targets: more replications may show a cheaper team."
            )
    yield "Not proved: that more staff never do harm (assumed), and anything of roles and shifts outside of the ranges."


def _tested(tables: StaffingTables) -> tuple[PageTable, ...]:
    met = _teams_of(tables, _ALL).sort_values("cost")
    if len(met) == 0:
        return ()
    cheapest = float(met["cost"].min())
    late, harms, crises = (rows_by(_teams_of(tables, metric), "team") for metric in ("late", HARM, _CRISIS))
    rows = []
    for _, team in met.iterrows():
        name, n = str(team["team"]), int(team["n_replications"])
        rows.append(
            (
                in_words(name),
                f"{team['cost']:,.0f}",
                number_text(team["cost"] - cheapest, 0, signed=True),
                value_text(late.get((name,)), 100.0, 1),
                value_text(harms.get((name,)), 1.0, 3),
                _crises(crises.get((name,))),
                f"{round(team['estimate'] * n)} of {n}",
                str(team["verdict"]),
            )
        )
    heads = ("Team, FTE", "USD a week", "Minus the cheapest", "Late or lost, %", "Harm, important differences")
    return (
        PageTable(
            "Harm and crises: minus those of the same patients with unlimited staff; positive is worse. Teams have "
            "different numbers of replications, because the test of a team stops when it is clear.",
            (*heads, "More crises in 1,000", "Replications with all targets met", "Verdict"),
            tuple(rows),
        ),
    )


def _crises(row: Mapping[Hashable, Any] | None) -> str:
    return "–" if row is None else event_text(replicated(row, None, PER))


def _panels(tables: StaffingTables) -> tuple[PageTable, ...]:
    if len(tables.capacity) == 0:
        return ()
    values = rows_by(tables.capacity, "patients", "metric")
    rows = []
    for _, panel in tables.capacity.drop_duplicates("patients").sort_values("patients").iterrows():
        patients, n = int(panel["patients"]), int(panel["n_replications"])
        rows.append(
            (
                f"{patients:,}",
                f"{panel['patients_per_fte']:.1f}",
                f"{round(panel['p_meets'] * n)} of {n}",
                value_text(values.get((str(patients), "late")), 100.0, 1),
                _crises(values.get((str(patients), _CRISIS))),
                value_text(values.get((str(patients), HARM)), 1.0, 3),
            )
        )
    heads = ("Patients", "Patients per FTE", "Replications with all targets met", "Late or lost, %")
    return (
        PageTable(
            "Today's team with panels of other sizes. Crises and harm: minus unlimited staff; positive is worse.",
            (*heads, "More crises in 1,000", "Harm, important differences"),
            tuple(rows),
        ),
    )


def lever_sentences(tables: StaffingTables) -> Iterator[str]:
    """What each lever costs and changes, a sentence a lever."""
    if len(tables.levers) == 0:
        yield "The run has no what-if runs (`what_if_replications: 0`), so it cannot say what the three levers do."
        return
    shown = without_few(tables.levers, "change_lo95", "change_hi95")
    today = rows_where(shown, name=_TODAY).iloc[0]["cost_usd_week"]
    for name, rows in shown[shown["name"] != _TODAY].groupby("name", sort=False):
        harm = rows_where(rows, metric=HARM)
        late = rows_where(rows, metric="late")
        more = rows.iloc[0]["cost_usd_week"] - today
        word = "more" if more > 0 else "less"
        cost = "costs nothing more" if more == 0 else f"costs {number_text(abs(more), 0)} USD a week {word}"
        changes = []
        if len(late):
            changes.append(f"late or lost work, percentage points: {change_text(late.iloc[0], 100.0, 1)}")
        if len(harm):
            change = replicated(harm.to_dict("records")[0], None, what="change")
            text = change_text(harm.iloc[0], 1.0, 3)
            changes.append(f"harm, important differences: {text}{small_text(change)}")
        yield f"{str(name).capitalize()} ({in_words(rows.iloc[0]['what'])}) {cost}; {'; '.join(changes)}."


def _lever_tables(tables: StaffingTables) -> tuple[PageTable, ...]:
    if len(tables.levers) == 0:
        return ()
    names = [str(name) for name in dict.fromkeys(tables.levers["name"])]
    values = rows_by(tables.levers, "name", "metric")
    first = rows_by(tables.levers, "name")
    rows = [
        ("patients", *(f"{first[name,]['patients']:,}" for name in names)),
        ("FTE", *(f"{first[name,]['fte']:g}" for name in names)),
        ("USD a week", *(f"{first[name,]['cost_usd_week']:,.0f}" for name in names)),
    ]
    for metric, label, factor, digits in WHAT_IF_METRICS:
        cells = [value_text(values.get((name, metric)), factor, digits) for name in names]
        rows.append((label, *cells))
    heads = ("What", *("today" if name == _TODAY else str(name) for name in names))
    return (PageTable("Today's team, and the lead's three levers on the same patients.", heads, tuple(rows)),)


def _factors(tables: StaffingTables) -> tuple[PageTable, ...]:
    """Changes of late work and harm under each factor of the tornado."""
    if len(tables.tornado) == 0:
        return ()
    shown = tables.tornado
    late, harms = (rows_by(rows_where(shown, metric=metric), "name", "what") for metric in ("late", HARM))
    order = rows_where(shown, metric="late").sort_values("change", key=abs, ascending=False)
    rows = []
    for row in order.to_dict("records"):
        key = (str(row["name"]), str(row["what"]))
        cells = [
            replicated(values[key], None, factor, what="change").text(digits, signed=True) if key in values else "–"
            for values, factor, digits in ((late, 100.0, 1), (harms, 1.0, 3))
        ]
        rows.append((f"{key[0]}: {in_words(key[1])}", *cells))
    caption = "Changes from today's team on the same patients and random numbers; positive is worse."
    heads = ("Factor", "Late or lost, percentage points", "Harm, important differences")
    return (PageTable(caption, heads, tuple(rows)),)


def groups_of_teams(tables: StaffingTables) -> tuple[tuple[str, ...], tuple[PageTable, ...]]:
    """Groups that wait longer than all patients under each team: sentences and tables."""
    if len(tables.equity) == 0:
        return ("The run has no table of subgroups, so it cannot say who waits longer.",), ()
    replications = {"today": tables.n_what_if}
    met = rows_by(_teams_of(tables, _ALL), "team")
    if tables.chosen is not None and (tables.chosen,) in met:
        replications["chosen"] = int(met[tables.chosen,]["n_replications"])
    sentences, shown = [], []
    for team, part in tables.equity.groupby("team", sort=False):
        n = replications.get(str(team), 0)
        of_team = "today's team" if team == "today" else f"the {team} team"
        rows = []
        for group in dict.fromkeys(part["subgroup"]):
            own = rows_by(rows_where(part, subgroup=group), "metric")
            if group == "all":
                continue
            cells = []
            for metric, label, factor, digits in SERVICE_OF_GROUPS:
                row = own.get((metric,))
                own_n = None if row is not None and "n_replications" in row else n
                gap = None if row is None else replicated(row, own_n, factor, what="gap")
                cells.append("–" if gap is None else gap.text(digits, signed=True))
                is_apart = gap is not None and (gap.is_above_0 or gap.is_below_0)
                if gap is not None and is_apart and not is_nothing(gap.mean, digits):
                    sentences.append(
                        f"With {of_team} {group_name(str(group))}, against all patients, "
                        f"{label[0].lower()}{label[1:]}: {gap.text(digits, signed=True)}."
                    )
            if any(cell != "–" for cell in cells):
                rows.append((group_name(str(group)), *cells))
        if rows:
            heads = ("People", *(label for _, label, _, _ in SERVICE_OF_GROUPS))
            caption = (
                f"{of_team[0].upper()}{of_team[1:]}: minus all patients, {count(n, 'replication')}. A number without "
                "brackets comes from too few replications."
            )
            shown.append(PageTable(caption, heads, tuple(rows)))
    most = max(replications.values())
    if most < FEWEST_REPLICATIONS:
        sentences = [few_sentence("who waits longer", most)]
    elif not sentences:
        sentences = ["No group is shown to wait longer than all patients: the intervals include 0."]
    return tuple(sentences), tuple(shown)


def _basis(tables: StaffingTables) -> Iterator[str]:
    manifest = tables.manifest
    kind = "simulated people" if people_are_sampled(manifest) else "people from a file, whose courses are simulated"
    yield f"{manifest['patients']['n']:,} {kind}, {count(tables.days, 'day')}, protocol {manifest['protocol']}."
    if tables.n_what_if:
        yield "What-if runs: " + " ".join(replication_sentences(tables.n_what_if))
    yield (
        "All teams have the same patients and random numbers. The targets are the lead's choice or assumptions, and "
        "harm reaches a person only by the paths of the model."
    )
