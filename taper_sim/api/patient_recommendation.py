"""Recommendation for one patient. Imports ``api``, ``recommend.from_files``, ``report``."""

import copy
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from taper_sim.api import display
from taper_sim.api.argument_files import Keys, Table, keys_path, named_by_argument, table_path
from taper_sim.api.arguments import names_checked
from taper_sim.api.population_fit import Population
from taper_sim.api.temporary import TemporaryFolder
from taper_sim.comparison.chance_words import interval_in_words
from taper_sim.data.problems import problem
from taper_sim.recommend.from_files import recommend_from_files
from taper_sim.report.decision import recommendation_text
from taper_sim.units import DEFAULT_SEED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from taper_sim.recommend.answer import RecommendationFields

_OPTIONS: Final = {
    "--doses": "doses",
    "--patient ID or --all": "patient=",
    "--patient": "patient",
    "--as-of": "as_of",
    "--horizon": "horizon",
}
_CHANCES: Final = {
    "p_hurts_again": "two bad weeks after the first step",
    "p_withdrawal_over": "withdrawal over the limit",
    "p_function_loss": "function lost",
    "p_pain_rise": "pain risen",
    "p_crisis": "crisis",
    "p_overdose": "overdose",
    "p_return_to_higher_dose": "return to a higher dose",
}


@dataclass(frozen=True)
class Sources:
    """Input files of a recommendation."""

    records: Path
    doses: Path | None
    baseline: Path | None
    population: Path | None
    folder: TemporaryFolder


@dataclass(frozen=True, eq=False)
class Recommendation:
    """One patient's options from the next day on, or the reasons why there are none.

    Attributes
    ----------
    sources : Sources
        Input files.
    """

    _answer: "RecommendationFields"
    sources: Sources = field(repr=False)

    @property
    def status(self) -> str:
        """``recommend``, ``abstain`` or ``urgent``."""
        return self._answer.status

    @property
    def chosen(self) -> str | None:
        """Name of the proposed option; None if there is none."""
        name = self._answer.fields["chosen"]
        return None if name is None else str(name)

    @property
    def reasons(self) -> list[str]:
        """Reasons of the status, a sentence each."""
        return [str(reason) for reason in self._answer.fields["reasons"]]

    @property
    def would_change(self) -> list[str]:
        """Changes of the records that would change the proposal."""
        return [str(line) for line in self._answer.fields["would_change"]]

    @cached_property
    def options(self) -> pd.DataFrame:
        """A row an option: status, rank, chances within the horizon with 90 % intervals, expected dose in %."""
        rows = [{k: v for k, v in option.items() if k != "schedule"} for option in self._answer.fields["options"]]
        return pd.DataFrame(rows)

    @cached_property
    def schedule(self) -> pd.DataFrame:
        """Doses of the proposed option: a row a date and drug, with the tablets and what is dispensed when."""
        chosen = [o for o in self._answer.fields["options"] if o["name"] == self.chosen]
        columns = ["date", "drug", "formulation", "dose_mg_per_day", "dose_mcg_per_h", "tablets"]
        columns += ["dispense_on", "days_supplied", "quantity"]
        rows = pd.DataFrame(chosen[0]["schedule"] if chosen else [])
        if rows.empty:
            return rows.reindex(columns=columns)
        return rows[[*(c for c in columns if c in rows), *(c for c in rows if c not in columns)]]

    def as_dict(self) -> dict[str, Any]:
        """The whole answer as plain values, as ``taper-sim recommend --json`` prints it."""
        return copy.deepcopy(self._answer.as_dict())

    @cached_property
    def forecasts(self) -> pd.DataFrame:
        """A row a report that the model uses: date, instrument, reported, forecast from the days before, lo90, hi90.

        Raises
        ------
        InputError
            If the records give no dose history, or the model uses no report.
        """
        from taper_sim.api.report_forecasts import forecasts_of

        return forecasts_of(
            self.sources.records,
            self.sources.doses,
            str(self._answer.fields["patient_id"]),
            date.fromisoformat(self._answer.fields["as_of"]),
            baseline=self.sources.baseline,
            population=self.sources.population,
            seed=int(self._answer.fields["seed"]),
        )

    def plot(self) -> "Figure":
        """Draw reported values against the model's forecasts of the day before, a panel an instrument."""
        from taper_sim.api.report_forecasts import forecasts_figure

        return forecasts_figure(self.forecasts)

    def __repr__(self) -> str:
        return recommendation_text(self._answer)

    def _repr_html_(self) -> str:
        fields = self._answer.fields
        head = f"patient {fields['patient_id']}, as of {fields['as_of']}: {self.status}"
        html = f"<p><b>{display.escape(head)}{display.escape(f': {self.chosen}' if self.chosen else '')}</b></p>"
        html += f"<p>{display.escape(str(fields['headline']))}</p>"
        html += "<ul>" + "".join(f"<li>{display.escape(reason)}</li>" for reason in self.reasons) + "</ul>"
        if len(self.options):
            html += f"<p>Chances within {fields['limits']['horizon_days']} days (90 % interval)</p>"
            html += display.table_html(self._chances())
        return html + f"<small>{display.escape(str(fields['not_for']))}</small>"

    def _chances(self) -> pd.DataFrame:
        table = self.options.sort_values("rank", na_position="last")
        cells = {"status": table["status"].tolist()}
        for name, words in _CHANCES.items():
            ends = (table[name], table[f"{name}_lo90"], table[f"{name}_hi90"])
            cells[words] = [
                "–" if pd.isna(mean) else interval_in_words(mean, low, high)
                for mean, low, high in zip(*ends, strict=True)
            ]
        return pd.DataFrame(cells, index=table["name"].tolist())


@names_checked
def recommend(
    checkins: Table | None = None,
    doses: Table | None = None,
    baseline: Keys | None = None,
    limits: Keys | None = None,
    population: str | Path | Population | None = None,
    as_of: str | date | None = None,
    *,
    bundle: str | Path | None = None,
    patient: str | None = None,
    horizon: int | None = None,
    seed: int = DEFAULT_SEED,
) -> Recommendation:
    """Propose an option for one patient from the next day on, or give the reasons for proposing none.

    Parameters
    ----------
    checkins, doses : path or DataFrame
        Long tables: ``patient_id, date, instrument, value`` and ``patient_id, date, drug, formulation,
        dose_mg_per_day``.
    baseline : path or mapping, optional
        The patient's assessment, as in a patient file.
    limits : path or mapping, optional
        Limits: ``risk``, ``withdrawal``, ``target`` …
    population : path or Population, optional
        Result of :func:`taper_sim.fit`, or its file; the shipped population if omitted.
    as_of : str or date, optional
        Day of the recommendation; the day the bundle was made, or the last day with a record, if omitted.
    bundle : path, optional
        A FHIR R4 Bundle (JSON), instead of check-ins and doses.
    patient : str, optional
        Id of the patient, if the tables hold several.
    horizon : int, optional
        Days ahead, 14 to 364.
    seed : int, optional

    Returns
    -------
    Recommendation

    Raises
    ------
    InputError
        With one line for each problem of a table: row, column, the value given, what is allowed.

    Examples
    --------
    >>> import taper_sim as ts
    >>> answer = ts.recommend("examples/checkins.csv", "examples/doses.csv", "examples/assessment.yaml")
    >>> answer.status
    'recommend'
    >>> answer.chosen in answer.options["name"].tolist()
    True
    """
    temporary = TemporaryFolder()
    if (bundle is None) == (checkins is None):
        given = "neither check-ins nor a bundle" if bundle is None else "check-ins and a bundle"
        raise problem("recommend", "checkins", given, "check-ins with doses, or a bundle")
    if checkins is not None and doses is None:
        raise problem("recommend", "doses", "nothing", "doses for the check-ins")
    with named_by_argument(temporary.path, _OPTIONS):
        records = Path(bundle) if checkins is None and bundle is not None else _table(checkins, "checkins", temporary)
        sources = Sources(
            records,
            None if doses is None else table_path(doses, "doses", temporary.path),
            keys_path(baseline, "baseline", temporary.path),
            population.path if isinstance(population, Population) else None if population is None else Path(population),
            temporary,
        )
        recommendations = recommend_from_files(
            sources.records,
            sources.doses,
            patient_id=patient,
            baseline=sources.baseline,
            limits=keys_path(limits, "limits", temporary.path),
            as_of=as_of.isoformat() if isinstance(as_of, date) else as_of,
            horizon=horizon,
            seed=seed,
            population=sources.population,
        )
    return Recommendation(recommendations[0], sources)


def _table(table: Table | None, name: str, temporary: TemporaryFolder) -> Path:
    if table is None:
        raise problem("recommend", name, "nothing", "a path, or a DataFrame")
    return table_path(table, name, temporary.path)
