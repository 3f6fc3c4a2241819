"""Explorers for JupyterLab: inputs with a picture that follows them. Imports ``api``, ``data.problems``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taper_sim.api.arguments import names_checked
from taper_sim.api.explored_course import ExploredCohort, controls_of, form_of
from taper_sim.api.explored_team import ExploredTeam
from taper_sim.data.problems import problem
from taper_sim.units import DEFAULT_SEED

if TYPE_CHECKING:
    from taper_sim.api.explorer_widget import Explorer


@names_checked
def explorer(n: int = 240, *, days: int = 182, seed: int = DEFAULT_SEED, **controls: Any) -> "Explorer":
    """Explore a taper: pace, lowest dose, people and care, with courses that follow the inputs.

    Each change simulates a small cohort. In JupyterLab the result is a widget; elsewhere it is a picture with the
    answer in words. It needs the packages of ``pip install "taper-sim[notebook]"``.

    Parameters
    ----------
    n : int, optional
        People, 20 to 1,000. More people take longer.
    days : int, optional
        Days to follow, 28 to 728.
    seed : int, optional
    **controls
        Values of the inputs at the start: ``pace_pct`` (% of the starting dose in 28 days), ``every_d``, ``floor_pct``,
        ``drug``, ``mg_per_day``, ``who``, ``care``.

    Returns
    -------
    Explorer
        ``.controls`` has the values of the inputs, ``.shown["answer"]`` the answer in words.

    Raises
    ------
    InputError
        For a value out of range, or if ``anywidget`` is not installed.

    Examples
    --------
    >>> import taper_sim as ts
    >>> explorer = ts.explorer(60, days=56, drug="morphine ER", pace_pct=20)
    >>> explorer.shown["answer"][:44]
    '20 % of the starting dose in 28 days, a step'
    """
    cohort = ExploredCohort(n, days, seed)
    start = controls_of(controls)
    current = [start]

    def answer(values: Mapping[str, Any]) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]], Mapping[str, Any]]:
        """Simulate the values; a new drug begins at its own dose."""
        if values.get("drug") != current[0].drug:
            values = {name: value for name, value in values.items() if name != "mg_per_day"}
        checked = controls_of(values)
        shown = cohort.course(checked)
        current[0] = checked
        return vars(checked), form_of(checked), shown

    return _widget("A taper, and the people behind its mean", vars(start), answer)


@names_checked
def staffing_explorer(scenario: str | Path) -> "Explorer":
    """Explore a clinic's team: patients, check-ins, visits and staff, with the planned work of every queue.

    The planned work is computed from the plan; nothing is simulated. It needs the packages of
    ``pip install "taper-sim[notebook]"``.

    Parameters
    ----------
    scenario : path
        A scenario with a clinic. Its team and care are the values at the start.

    Returns
    -------
    Explorer
        As of :func:`taper_sim.explorer`.

    Raises
    ------
    InputError
        For a scenario without a clinic, or if ``anywidget`` is not installed.

    Examples
    --------
    >>> import taper_sim as ts
    >>> explorer = ts.staffing_explorer("scenarios/staffing_small.yaml")
    >>> explorer.shown["answer"].split(":")[0]
    '120 patients and 8 full-time equivalents'
    """
    team = ExploredTeam(Path(scenario))
    form = team.form()
    return _widget(
        "A team, and the work that its patients plan",
        team.start,
        lambda values: (team.start | dict(values), form, team.work(values)),
    )


def _widget(title: str, values: Mapping[str, Any], answer: Any) -> "Explorer":
    try:
        from taper_sim.api.explorer_widget import Explorer
    except ImportError:
        raise problem(
            "explorer", "", "an installation without anywidget", 'pip install "taper-sim[notebook]"'
        ) from None
    return Explorer(title, values, answer)
