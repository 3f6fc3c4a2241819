"""What is mutated: each module with the tests that belong to it, mutants by hand, and mutants without an effect."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Subject:
    """A module, and the tests that must notice when it is broken.

    Attributes
    ----------
    module : str
        Path of the module under ``taper_sim``.
    tests : tuple of str
        Paths of test files under ``tests``, the fastest first: the first failure ends a run.
    leaving_out : tuple of str
        Tests of these files that are not run here, because they take long.
    by_hand : tuple of (str, str)
        Text of the module and the text in its place: errors that were once made on purpose and noticed by no test.
    no_effect : mapping of str to str
        Changes that no test can notice, each with the reason; the key is ``function: change``.
    """

    module: str
    tests: tuple[str, ...]
    leaving_out: tuple[str, ...] = ()
    by_hand: tuple[tuple[str, str], ...] = ()
    no_effect: Mapping[str, str] | None = None


_VECTORS: Final = ("test_no_loop_of_a_day_is_left_to_single_numbers", "test_the_loops_over_lanes_are_vectors")

SUBJECTS: Final = (
    Subject(
        "model/equations.py",
        ("model/test_event_equations.py", "model/test_reference.py"),
        by_hand=(
            ("e_gaba + apnoea - tolerance", "e_gaba - apnoea - tolerance"),
            ("per_missed * missed - per_n * n", "per_missed * missed + per_n * n"),
        ),
    ),
    Subject(
        "model/pharmacology.py",
        ("model/test_pharmacology.py",),
        by_hand=(
            ("[0.125, 0.375, 0.625, 0.875]", "[0.0, 0.25, 0.5, 0.75]"),
            ("[0.125, 0.375, 0.625, 0.875]", "[0.125, 0.375, 0.625, 1.0]"),
        ),
        no_effect={
            "within_day_shape: [0.125, 0.375, 0.625, 0.875] becomes [0.0, 0.25, 0.5, 0.75]": (
                "the shape is divided by its mean, so a shift of all points cancels"
            ),
            "regimen: …s = dispensable_totals(drug, n, total + 2 * n * drug.strengths[-1]) becomes "
            "…s = dispensable_totals(drug, n, total + 4 * n * drug.strengths[-1])": (
                "the nearest totals lie within one block of the largest strength"
            ),
            "_amounts: if apart == 0 or all(abs(amount - other) * grid >= ap… becomes "
            "if apart == 1 or all(abs(amount - other) * grid >= ap…": (
                "every amount is at least 0 apart from the others: the first condition saves time"
            ),
            "dispensable_totals: up_to / doses_per_day becomes up_to * doses_per_day": (
                "amounts above the part of a dose are made too, and no total above the wanted is kept"
            ),
        },
    ),
    Subject(
        "model/reference_events.py",
        ("model/test_kernel.py",),
        leaving_out=_VECTORS,
        no_effect={
            "leave_or_return: …aws.uniform['dropout'] < _probability(h, record.… becomes "
            "…aws.uniform['dropout'] <= _probability(h, record.…": (
                "a draw is never 0 or 1, and equals another probability with a chance of 2^-32"
            )
        },
    ),
    Subject("model/compiled/events.py", ("model/test_kernel.py",), leaving_out=_VECTORS),
    Subject(
        "safety/red_flags.py",
        ("safety/test_flag_cases.py", "safety/test_red_flags.py"),
        leaving_out=("test_every_rule_is_true_false_and_unknown_for_some_record",),
        by_hand=(('"contraindicated": "same_day"', '"contraindicated": "next_visit"'),),
    ),
    Subject("safety/rule_language.py", ("safety/test_rule_language.py",)),
    Subject("safety/ceilings.py", ("safety/test_ceilings.py",)),
    Subject(
        "simulation/dispensing.py",
        ("simulation/test_dispensing.py",),
        by_hand=(
            ("np.where(unchanged, original, dispensed)", "dispensed"),
            ("= new * current", "= new"),
            ("np.divide(error, original, out", "np.divide(error, self.cohort.dose, out"),
        ),
        no_effect={
            "Dispenser.rotate: …lumn] / np.maximum(c.dose[who, column], 1e-12) becomes "
            "…lumn] / np.maximum(c.dose[who, column], 0.0)": "who is rotated takes the class, so their dose is above 0",
            "Dispenser.rotate: …f._original[person, of_class[person]] = 0.0 becomes "
            "…f._original[person, of_class[person]] = 1": (
                "nobody takes the drug of an ended slot, and the first slot gets the new dose"
            ),
        },
    ),
    Subject(
        "clinic/queue.py",
        ("clinic/test_queue_rules.py", "clinic/test_presence.py", "clinic/test_preempt.py", "clinic/test_queue.py"),
        leaving_out=(
            "busy",
            "handoff",
            "without_interpreting",
            "the_rules_of_a_clinic",
            "no_job_of_the_log",
            "no_patient_is_in_two_visits",
            "those_of_theory",
            "preemption_shortens",
        ),
        by_hand=(
            ("if not self.env.now < desk.until:", "if self.env.now > desk.until:"),
            ("self.env.now < desk.until and (not", "self.env.now <= desk.until and (not"),
            ("desk.tiers if self.env.now < desk.until else", "desk.tiers if self.env.now <= desk.until else"),
            ("1 + server.stands_in_for.index(role)", "len(server.stands_in_for) - server.stands_in_for.index(role)"),
            ("key=lambda desk: _tier(desk.server, role))", "key=lambda desk: -_tier(desk.server, role))"),
        ),
        no_effect={
            "Engine._take_next: entry[:2] < best[0][:2] becomes entry[:2] <= best[0][:2]": (
                "two entries are never equal: the number of a job is unique"
            )
        },
    ),
)
