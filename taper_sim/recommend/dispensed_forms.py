"""Products in which a taper can go on: the same one, finer forms, other releases, other drugs. Imports ``data``.

The order is a pharmacist's: the product that is taken; one of the same release with smaller steps; immediate release
beside the extended release; immediate release instead of it; another drug by a published switch. A plan stays in its
products: none comes and goes. Source: assumption A79.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from taper_sim.data import formulary
from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken
from taper_sim.model.pharmacology import Drug, administrations, regimen

USUAL_STEP_PCT: Final = 15.0
"""Largest step, percent of the original dose, for which a product is kept although a finer one exists. Source: A79."""
MOST_STEP_PCT: Final = 25.0
"""Largest single step, percent of the original dose. Source: A78 (FDA 2019, ASAM 2025 and Maudsley 2024 rows of
guidelines.csv)."""
MOST_TIMES_BESIDE: Final = 3
"""Administrations a day of immediate release beside extended release, at most. Source: A79."""
ROTATION_SHARE: Final = 0.75
"""Equivalents of another opioid after a patch, at most, as a share of the patch's. Source: A81."""
LEAST_ROTATION_SHARE: Final = 0.5
"""The same, at least. Source: A81."""
LONG_ACTING_BENZODIAZEPINE: Final = ("diazepam", "IR")
_OUT_OF_A_PATCH: Final = "morphine"

Change = Literal["same product", "same release", "beside", "other release", "other drug"]


@dataclass(frozen=True)
class Way:
    """The products in which one drug's taper goes on from its first change.

    Attributes
    ----------
    drug : Drug
    times : int
        Administrations a day.
    change : str
        How far the product is from the one taken now. From ``other release`` on, the change is a step of its own at
        (nearly) the same dose, and reductions follow.
    beside : Drug or None
        Immediate release that is taken beside the drug, for ``beside``.
    times_beside : int
        Its administrations a day.
    first_share : float
        Equivalents a day after the change, at most, as a share of those before it.
    most_first_pct : float
        Largest fall at the change itself, percent of the dose before it.
    needs : str
        What a prescriber and a pharmacist settle first; empty while drug and release stay.
    """

    drug: Drug
    times: int
    change: Change = "same product"
    beside: Drug | None = None
    times_beside: int = 0
    first_share: float = 1.0
    most_first_pct: float = MOST_STEP_PCT
    needs: str = ""

    @property
    def is_changed_first(self) -> bool:
        """Whether the change of product is a step of its own."""
        return self.change in ("other release", "other drug")


def groups_of(taken: DrugsTaken) -> tuple[DrugsTaken, ...]:
    """Drugs of a class that are lowered together: extended and regular immediate release of one ingredient are one."""
    groups: list[DrugsTaken] = []
    for slot in sorted(taken, key=lambda slot: not _release(slot.drug).startswith("ER")):
        pair = next((k for k, group in enumerate(groups) if _is_beside(slot, group)), None)
        if pair is None:
            groups.append((slot,))
        else:
            groups[pair] = (*groups[pair], slot)
    return tuple(groups)


def _is_beside(slot: DrugTaken, group: DrugsTaken) -> bool:
    """Whether a drug is the immediate release beside the extended release of a group."""
    long = group[0].drug
    return (
        len(group) == 1
        and _ingredient(long) == _ingredient(slot.drug)
        and _release(long).startswith("ER")
        and _release(slot.drug).startswith("IR")
        and not (slot.as_needed or group[0].as_needed)
    )


def own_way(group: DrugsTaken) -> Way:
    """The products that are taken now."""
    slot, beside = group[0], group[1:]
    if not beside:
        return Way(slot.drug, slot.times)
    return Way(slot.drug, slot.times, beside=beside[0].drug, times_beside=beside[0].times)


def _ingredient(drug: Drug) -> str:
    return drug.drug.split("-")[0]


def _release(drug: Drug) -> str:
    return drug.release_of or drug.formulation


def _is_finer(form: Drug, drug: Drug) -> bool:
    """Whether a form makes smaller amounts than a drug's tablets and their halves."""
    halves = [s / 2 for s in drug.strengths if drug.splittable and s / 2 >= drug.smallest_step]
    return form.smallest_step < min(*drug.strengths, *halves, drug.strengths[0])


def _times_now(slot: DrugTaken) -> int:
    """Administrations a day of today's tablets: a dose that is one tablet is taken once, whatever its row says."""
    try:
        return max(len(regimen(slot.drug, slot.dose, slot.times).times), 1)
    except ValueError:
        return slot.times


def _other_ways(slot: DrugTaken) -> Iterator[Way]:
    """Ways of one drug other than its own product, nearest first."""
    drug = slot.drug
    rows = [form for form in formulary.all_forms_of(_ingredient(drug)) if form.key != drug.key and not form.is_patch]
    for form in rows:
        if form.drug == drug.drug and _release(form) == _release(drug) and _is_finer(form, drug):
            yield Way(form, _times_now(slot), "same release")
    immediate = [] if drug.is_buprenorphine or drug.is_patch else [r for r in rows if _release(r).startswith("IR")]
    if not drug.acetaminophen_mg:  # no second medicine for want of a finer tablet
        immediate = [form for form in immediate if not form.acetaminophen_mg] or immediate
    if _release(drug).startswith("ER"):
        for form in immediate:
            times = min(administrations(form), MOST_TIMES_BESIDE)
            yield Way(drug, slot.times, "beside", beside=form, times_beside=times)
        for form in immediate:
            needs = f"a prescriber and a pharmacist agree the change to {_named(form)}: more doses a day, earlier peaks"
            yield Way(form, administrations(form), "other release", needs=needs)
    if drug.is_patch and not drug.is_buprenorphine:
        for form in sorted(
            formulary.all_forms_of(_OUT_OF_A_PATCH), key=lambda form: not form.formulation.startswith("ER")
        ):
            needs = (
                f"a pharmacist checks the rotation from the patch to {_named(form)}: at least a quarter below the "
                "equivalents for incomplete cross-tolerance, first dose when the patch has been off for 12 hours or "
                "more, naloxone, a visit within days; MME factors are not for changing drugs"
            )
            fall = 100 * (1 - LEAST_ROTATION_SHARE)
            yield Way(
                form, administrations(form), "other drug", first_share=ROTATION_SHARE, most_first_pct=fall, needs=needs
            )
    if drug.drug_class == "benzodiazepine" and drug.drug != LONG_ACTING_BENZODIAZEPINE[0]:
        for form in formulary.all_forms_of(LONG_ACTING_BENZODIAZEPINE[0]):
            needs = (
                f"a prescriber agrees the published switch to {_named(form)} (Ashton 2002; ASAM 2025): one dose of the "
                "day after another, a week apart, with care for age, liver and sedation by day"
            )
            yield Way(form, min(slot.times, administrations(form)), "other drug", needs=needs)


def _named(drug: Drug) -> str:
    return f"{drug.drug} {drug.formulation}"


_ORDER: Final[tuple[tuple[Change, float], ...]] = (
    ("same product", USUAL_STEP_PCT),
    ("same release", USUAL_STEP_PCT),
    ("same product", MOST_STEP_PCT),
    ("same release", MOST_STEP_PCT),
    ("beside", USUAL_STEP_PCT),
    ("beside", MOST_STEP_PCT),
    ("other release", USUAL_STEP_PCT),
    ("other release", MOST_STEP_PCT),
    ("other drug", USUAL_STEP_PCT),
    ("other drug", MOST_STEP_PCT),
)


def ways_of(groups: tuple[DrugsTaken, ...]) -> Iterator[tuple[tuple[Way, ...], float]]:
    """A way for each group and the largest step that is accepted in it, percent of the original dose, best first.

    At most one group changes its product, and never to one of an ingredient that is taken in another form too.
    """
    own = tuple(own_way(group) for group in groups)
    forms = Counter(_ingredient(slot.drug) for group in groups for slot in group)
    others = [
        (k, way)
        for k, group in enumerate(groups)
        if forms[_ingredient(group[0].drug)] == 1
        for way in _other_ways(group[0])
        if _ingredient(way.drug) == _ingredient(group[0].drug) or not forms[_ingredient(way.drug)]
    ]
    for change, most_pct in _ORDER:
        if change == "same product":
            yield own, most_pct
        for k, way in others:
            if way.change == change:
                yield (*own[:k], way, *own[k + 1 :]), most_pct
