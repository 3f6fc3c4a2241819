"""Figures: their data equal the run's numbers, small cells are excluded, the same run gives the same bytes."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from taper_sim.comparison.outcomes import ALL, BY_NAME
from taper_sim.comparison.tables import DIFFERENCE_COLUMNS, SUMMARY_COLUMNS
from taper_sim.data.problems import InputError
from taper_sim.report import drawing, figures, forest_figure, pareto_figure, run_tables, trajectory_figure
from taper_sim.tables import UNREVIEWED

OUTCOMES = (
    "dose_reduction_pct",
    "withdrawal_peak",
    "withdrawal_peak_cvar95",
    "days_over_limit",
    "pain_nrs_change",
    "function_change",
    "dropout",
    "mental_health_crisis",
    "overdose",
    "retained",
    "discontinued",
)
QUANTITIES = ("withdrawal", "pain", "distress", "insomnia", "function", "craving", "dose")
PROTOCOLS = ("constant()", "linear(pct=10, every=28)", "NA")

MakeRun = Callable[..., Path]


def _manifest(protocols: tuple[str, ...], n: int, subgroups: dict[str, int], name: str, question: str) -> dict:
    return {
        "kind": "compare",
        "scenario": {
            "name": name,
            "question": question,
            "days": 56,
            "draws": 50,
            "cohort": {"patients": n, "file": None},
            "care": {"disciplines": {"prescriber": 1.0, "pt": 0.5}, "visit_every_d": 7, "checkin_every_d": 0},
            "protocols": [{"call": one, "name": None, "care": None} for one in protocols],
            "outcomes": None,
            "subgroups": sorted({group.partition("=")[0] for group in subgroups}),
            "parameters": {"xi": 1.5},
        },
        "scenario_file": "made-up.yaml",
        "scenario_hash": "5ce0a210" * 8,
        "seed": 20260101,
        "days": 56,
        "reference": protocols[0],
        "protocols": list(protocols),
        "patients": {"n": n, "description": "made up for a test", "ids_sha256": "1d5" * 21 + "1"},
        "ensemble": {"id": "e45e3b1e", "n_draws": 50, "calibrated": False},
        "parameters": {"xi": 1.5, "p": [2.5, 0.7, 1.5]},
        "tables": [
            {
                "table": "drugs",
                "sha256": "d7" * 32,
                "rows": 11,
                "verified": {"yes": 1, "partial": 10, "no": 0},
                "reviewed": 0,
                "status": UNREVIEWED,
            }
        ],
        "clinical_review": UNREVIEWED,
        "versions": {"taper-sim": "0.1.0", "numpy": "2.5.5"},
        "git_commit": "c0ffee" * 6 + "c0ff",
        "timings_s": {"simulation": 1.0},
        "inputs_sha256": {},
        "outputs_sha256": {"summary.csv": "5a" * 32},
    }


def make_run(
    folder: Path,
    *,
    protocols: tuple[str, ...] = PROTOCOLS,
    n: int = 600,
    subgroups: dict[str, int] | None = None,
    name: str = "made up",
    question: str = "Which is better?",
    outcomes: tuple[str, ...] = OUTCOMES,
) -> Path:
    """An output folder with invented numbers and the package's columns."""
    rng = np.random.default_rng(3)
    sizes = {"all": n, **(subgroups or {})}
    summary, differences, courses = [], [], []
    for protocol in protocols:
        for outcome in outcomes:
            known = BY_NAME[outcome.removesuffix("_cvar95")]
            for group, size in sizes.items():
                mean = float(rng.uniform(0.01, 0.9))
                ends = (mean - 0.1234567891, mean + 0.1)
                summary.append(
                    (
                        protocol,
                        outcome,
                        group,
                        size,
                        mean,
                        1.0,
                        0.0,
                        mean,
                        1.0,
                        *ends,
                        0.01,
                        50,
                        False,
                        known.unit,
                        known.direction,
                        "draws",
                        "",
                    )
                )
                shares = (np.nan,) * 3 if known.direction == "neither" else (0.75, 0.25, 0.125)
                if protocol != protocols[0]:
                    differences.append(
                        (
                            protocol,
                            protocols[0],
                            outcome,
                            group,
                            mean / 3,
                            ends[0] / 3,
                            ends[1] / 3,
                            *shares,
                            0.01,
                            size,
                            known.unit,
                            known.direction,
                            "draws",
                            "",
                        )
                    )
        for quantity in QUANTITIES:
            for day in range(7, 57, 7):
                bands = np.sort(rng.uniform(0.0, 1.0, 5))
                courses.append((protocol, quantity, day, bands.mean(), *bands, n))
    folder.mkdir(parents=True)
    columns = ["protocol", "quantity", "day", "mean", "q10", "q25", "q50", "q75", "q90", "n"]
    pd.DataFrame(summary, columns=list(SUMMARY_COLUMNS)).to_csv(folder / "summary.csv", index=False)
    pd.DataFrame(differences, columns=list(DIFFERENCE_COLUMNS)).to_csv(folder / "differences.csv", index=False)
    pd.DataFrame(courses, columns=columns).to_csv(folder / "trajectories.csv", index=False)
    manifest = _manifest(protocols, n, subgroups or {}, name, question)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_every_figure_has_its_csv(tmp_path: Path) -> None:
    written = figures.write_figures(make_run(tmp_path / "run"))
    assert [path.name for path in written] == [
        "trajectories.svg",
        "trajectories.csv",
        "forest.svg",
        "forest.csv",
        "tail.svg",
        "tail.csv",
        "pareto.svg",
        "pareto.csv",
    ]
    assert all(path.parent == tmp_path / "run" / "figures" and path.stat().st_size > 0 for path in written)
    assert sorted(path.name for path in (tmp_path / "run" / "figures").iterdir()) == sorted(p.name for p in written)


def test_the_trajectories_beside_the_figure_are_those_of_the_run(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    figures.write_figures(folder)
    drawn = run_tables.read_table(folder / "figures" / "trajectories.csv").drop(columns="unit")
    run = run_tables.read_run(folder).trajectories
    kept = run[run["quantity"].isin(["dose", "withdrawal", "pain", "function", "distress"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(drawn, kept, check_exact=True)


def test_the_differences_beside_the_forest_are_those_of_the_run(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    figures.write_figures(folder)
    drawn = pd.read_csv(folder / "figures" / "forest.csv", keep_default_na=False)
    run = pd.read_csv(folder / "differences.csv", keep_default_na=False)
    keys = ["protocol", "outcome"]
    both = drawn.merge(run[run["subgroup"] == "all"], on=keys, suffixes=("", "_run"), validate="1:1")
    assert len(both) == len(drawn) == 2 * 8  # 8 of the made-up outcomes are the forest's
    for column in ("mean", "lo95", "hi95"):
        assert (both[column].astype(str) == both[f"{column}_run"].astype(str)).all()


def test_the_tail_beside_the_mean_has_the_numbers_of_the_run_and_no_small_cell(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", subgroups={"dose=<50": 40})
    figures.write_figures(folder)
    drawn = pd.read_csv(folder / "figures" / "tail.csv", keep_default_na=False).set_index("protocol")
    run = pd.read_csv(folder / "summary.csv", keep_default_na=False)
    run = run[run["subgroup"] == "all"].set_index(["protocol", "outcome"])
    assert list(drawn.index) == list(PROTOCOLS)
    for protocol, row in drawn.iterrows():
        assert row["mean"] == run.loc[(protocol, "withdrawal_peak"), "mean"]
        assert row["worst5"] == run.loc[(protocol, "withdrawal_peak_cvar95"), "mean"]
    few = run_tables.read_run(make_run(tmp_path / "few", n=10))
    assert "tail" not in figures.all_figures(few)


def test_right_is_better_in_the_forest_whatever_the_direction(tmp_path: Path) -> None:
    data = forest_figure.forest_data(run_tables.read_run(make_run(tmp_path / "run")).differences)
    one = data[data["protocol"] == "NA"].set_index("outcome")
    pain, function, crisis = one.loc["pain_nrs_change"], one.loc["function_change"], one.loc["mental_health_crisis"]
    assert pain["better"] == pytest.approx(-pain["mean"] / BY_NAME["pain_nrs_change"].important)
    assert function["better"] == pytest.approx(function["mean"] / BY_NAME["function_change"].important)
    assert crisis["better"] == pytest.approx(-100 * crisis["mean"])
    assert (one["better_lo95"] <= one["better"]).all() and (one["better"] <= one["better_hi95"]).all()
    assert pain["better_lo95"] == pytest.approx(-pain["hi95"])


def test_outcomes_without_a_better_direction_are_not_in_a_forest(tmp_path: Path) -> None:
    run = run_tables.read_run(make_run(tmp_path / "run"))
    assert "discontinued" not in set(
        forest_figure.forest_data(run.differences, ["discontinued", "overdose"])["outcome"]
    )


def test_the_points_beside_the_pareto_figure_are_those_of_the_summary(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    figures.write_figures(folder)
    drawn = pd.read_csv(folder / "figures" / "pareto.csv", keep_default_na=False).set_index("protocol")
    run = pd.read_csv(folder / "summary.csv", keep_default_na=False)
    for axis in "xy":
        expected = run[(run["outcome"] == drawn[f"{axis}_outcome"].iloc[0]) & (run["subgroup"] == "all")]
        for column in ("mean", "lo95", "hi95"):
            found = drawn.loc[expected["protocol"], f"{axis}_{column}"]
            assert found.to_list() == expected[column].to_list()


def test_a_protocol_that_another_beats_in_both_is_off_the_front() -> None:
    columns = list(SUMMARY_COLUMNS)
    rows = []
    for protocol, reduction, harm in (("hold", 0, 0.0), ("slow", 60, 0.1), ("fast", 80, 0.5), ("worse", 50, 0.2)):
        for outcome, mean in (("dose_reduction_pct", reduction), ("withdrawal_peak_cvar95", harm)):
            rows.append(
                dict.fromkeys(columns, 0.0)
                | {"protocol": protocol, "outcome": outcome, "subgroup": "all", "n": 100, "mean": mean}
            )
    data = pareto_figure.pareto_data(
        pd.DataFrame(rows), ["hold", "slow", "fast", "worse"], *pareto_figure.PARETO_X[:1], pareto_figure.PARETO_Y[0]
    )
    assert data.set_index("protocol")["on_front"].to_dict() == {
        "hold": True,
        "slow": True,
        "fast": True,
        "worse": False,
    }


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (figures.write_figures(make_run(tmp_path / name)) for name in ("one", "two"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_an_svg_is_well_formed_and_loads_nothing(tmp_path: Path) -> None:
    for path in figures.write_figures(make_run(tmp_path / "run", protocols=("a", "<b> & $c$"))):
        if path.suffix == ".svg":
            for element in ElementTree.fromstring(path.read_text()).iter():  # noqa: S314 - written a line above
                for key, value in element.attrib.items():
                    if key.endswith(("href", "src")):
                        assert value.startswith("#")


def test_figures_leave_out_cells_of_fewer_than_eleven_people(tmp_path: Path) -> None:
    assert figures.write_figures(make_run(tmp_path / "ten", n=10)) == []
    assert len(figures.write_figures(make_run(tmp_path / "eleven", n=11))) == 8


def test_one_protocol_has_no_forest_and_a_run_without_distance_no_pareto(tmp_path: Path) -> None:
    alone = make_run(tmp_path / "alone", protocols=("constant()",), outcomes=("overdose",))
    assert [path.name for path in figures.write_figures(alone)] == ["trajectories.svg", "trajectories.csv"]


@pytest.mark.parametrize("n_protocols", [2, trajectory_figure.MOST_FACETS, 12])
def test_many_protocols_still_make_figures_that_fit_a_column(tmp_path: Path, n_protocols: int) -> None:
    names = tuple(f"linear(pct={k}, every=28) with a name that is long" for k in range(n_protocols))
    run = run_tables.read_run(make_run(tmp_path / "run", protocols=names))
    for figure, data in figures.all_figures(run).values():
        assert isinstance(figure, Figure)
        assert figure.get_size_inches()[0] * 25.4 <= drawing.DOUBLE_COLUMN_MM + 1e-9
        assert set(data["protocol"]) <= set(names)
        drawing.svg(figure, "a title")


@pytest.mark.parametrize("n_protocols", [2, trajectory_figure.MOST_FACETS, 12])
@pytest.mark.parametrize("name", ["linear(pct={}, every=28) with a name that is long", "p{}"])
def test_no_part_of_a_figure_exceeds_its_edge(tmp_path: Path, n_protocols: int, name: str) -> None:
    names = tuple(name.format(k) for k in range(n_protocols))
    run = run_tables.read_run(make_run(tmp_path / "run", protocols=names))
    for figure, _ in figures.all_figures(run).values():
        drawing.svg(figure, "a title")
        width, height = figure.get_size_inches()
        box = figure.get_tightbbox()
        assert min(box.x0, box.y0) >= -0.01 and box.x1 <= width + 0.01 and box.y1 <= height + 0.01


def test_a_course_that_does_not_move_is_drawn() -> None:
    columns = ["protocol", "quantity", "day", "mean", "q10", "q25", "q50", "q75", "q90", "n"]
    still = (("dose", 0.0), ("pain", 5.0), ("function", np.nan))
    rows = [("a", quantity, day, *[value] * 6, 50) for quantity, value in still for day in (7, 14)]
    figure, _ = trajectory_figure.trajectories_figure(pd.DataFrame(rows, columns=columns), ["a"], "a")
    dose, pain, function = (axes.get_ylim() for axes in figure.axes)
    assert dose[0] == 0.0 < dose[1] and pain[0] < 5.0 < pain[1] and function[0] < function[1]


def test_no_two_of_fifty_protocols_look_alike() -> None:
    names = [f"p{k}" for k in range(50)]
    looks = {(style.colour, style.marker) for style in drawing.styles_of(names, "p0").values()}
    assert len(looks) == 50


def test_a_folder_without_a_run_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json; allowed: the folder of a finished run"):
        figures.write_figures(tmp_path)


def test_every_outcome_named_by_figures_exists() -> None:
    known = {outcome.name for outcome in ALL}
    named = (*forest_figure.FOREST_OUTCOMES, *pareto_figure.PARETO_X, *pareto_figure.PARETO_Y, *run_tables.LABELS)
    assert {name.removesuffix(run_tables.TAIL) for name in named} <= known
    assert all(BY_NAME[n.removesuffix("_cvar95")].tail for n in named if n.endswith("_cvar95"))


def _luminance(colour: str) -> float:
    """Relative luminance of a colour (WCAG 2.2)."""
    parts = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_every_colour_of_a_line_has_a_contrast_of_three_on_white() -> None:
    for colour in (*drawing.PALETTE, drawing.GREY, drawing.REFERENCE_COLOUR):
        assert 1.05 / (_luminance(colour) + 0.05) >= 3.0, colour


def test_neighbours_of_the_palette_differ_in_line_and_marker_too() -> None:
    styles = list(drawing.styles_of([f"p{k}" for k in range(7)], "p0").values())
    assert len({style.marker for style in styles}) == len(styles)
    assert all(one.line != two.line for one, two in pairwise(styles[1:]))


def test_up_to_three_protocols_are_named_at_the_ends_of_their_lines(tmp_path: Path) -> None:
    run = run_tables.read_run(make_run(tmp_path / "run"))
    figure, _ = trajectory_figure.trajectories_figure(run.trajectories, run.protocols, run.reference)
    assert len(figure.axes) == 5
    for axes in figure.axes:
        texts = {text.get_text().replace("\n", " "): text for text in axes.texts}
        assert set(texts) == set(PROTOCOLS)
        lines = {line.get_color(): line.get_ydata()[-1] for line in axes.lines}
        by_height = sorted(texts.values(), key=lambda text: text.get_position()[1])
        ends = [lines[text.get_color()] for text in by_height]
        assert ends == sorted(ends)


def test_names_at_line_ends_do_not_overlap() -> None:
    figure = Figure(figsize=(4, 2))
    axes = drawing.place(figure, 10, 5, 40, 28)
    axes.set_ylim(0, 1)
    drawing.label_line_ends(axes, [("a", 0.5, "black"), ("b\nwith two lines", 0.51, "black"), ("c", 0.0, "black")], 28)
    figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 + 0.5 for below, above in pairwise(boxes))


@pytest.mark.parametrize(("n_protocols", "shape"), [(4, (5, 4)), (7, (7, 5))])
def test_from_four_protocols_on_each_has_axes_of_its_own(
    tmp_path: Path, n_protocols: int, shape: tuple[int, int]
) -> None:
    run = run_tables.read_run(make_run(tmp_path / "run", protocols=tuple(f"p{k}" for k in range(n_protocols))))
    figure, _ = trajectory_figure.trajectories_figure(run.trajectories, run.protocols, run.reference)
    assert len(figure.axes) == 5 * n_protocols
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == shape


def test_the_numbers_beside_the_forest_are_those_of_its_rows(tmp_path: Path) -> None:
    run = run_tables.read_run(make_run(tmp_path / "run"))
    figure, data = forest_figure.forest_figure(run.differences, run.protocols, run.reference)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert len(texts) == len(data)
    shown = sorted(float(text.split(" ")[0].replace("−", "-")) for text in texts)
    assert shown == pytest.approx(sorted(data["better"]), abs=0.051)
