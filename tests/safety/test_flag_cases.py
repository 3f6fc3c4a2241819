"""Each rule of red_flags.csv and interactions.csv by hand: a record that makes it true, one false, one unknown.

Thresholds are met exactly where a rule says ``>=``, and missed by the smallest step on the other side.
"""

import json
from datetime import date, timedelta

import pytest

from taper_sim import tables
from taper_sim.data.formulary import find_drug
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.safety.red_flags import judge, shown_flag
from taper_sim.safety.variables import Values

TODAY = date(2026, 3, 31)
Dose = tuple[int, str, str, float]
Report = float | list[tuple[int, float]]

OPIOID: tuple[Dose, ...] = ((400, "morphine", "ER", 120.0),)
TAPERED: tuple[Dose, ...] = (*OPIOID, (20, "morphine", "ER", 108.0))
BENZO: tuple[Dose, ...] = ((400, "lorazepam", "IR", 2.0),)
GABA: tuple[Dose, ...] = ((400, "gabapentin", "IR", 1800.0),)
PREGABALIN: tuple[Dose, ...] = ((400, "pregabalin", "IR capsule", 300.0),)
OXYCODONE: tuple[Dose, ...] = ((400, "oxycodone", "IR", 60.0),)
FENTANYL: tuple[Dose, ...] = ((400, "fentanyl", "TD", 50.0),)
METHADONE: tuple[Dose, ...] = ((400, "methadone", "IR", 40.0),)
TRAMADOL: tuple[Dose, ...] = ((400, "tramadol", "IR", 200.0),)
HYDROCODONE: tuple[Dose, ...] = ((400, "hydrocodone-acetaminophen", "IR", 40.0),)
ALPRAZOLAM: tuple[Dose, ...] = ((400, "alprazolam", "IR", 2.0),)
BUPRENORPHINE: tuple[Dose, ...] = ((400, "buprenorphine", "SL film/tablet", 8.0),)
TO_BUPRENORPHINE: tuple[Dose, ...] = (*OPIOID, (3, "morphine", "ER", 0.0), (3, "buprenorphine", "SL film/tablet", 8.0))


def cut(doses: tuple[Dose, ...], ago: int, to: float) -> tuple[Dose, ...]:
    """These doses, the first of them changed so many days ago."""
    return (*doses, (ago, *doses[0][1:3], to))


def before(value: float, *today: float) -> list[tuple[int, float]]:
    """Three answers before TAPERED's first reduction, and today's."""
    return [(21, value), (22, value), (23, value), *((0, v) for v in today)]


def changed_to(ago: int, drug: str, formulation: str, dose: float, left: float = 0.0) -> tuple[Dose, ...]:
    """OXYCODONE, replaced by another opioid so many days ago; ``left`` mg a day of it go on."""
    return (*OXYCODONE, (ago, *OXYCODONE[0][1:3], left), (ago, drug, formulation, dose))


def waited(days: int) -> tuple[Dose, ...]:
    """OPIOID with two steps of an eighth, the second 10 days ago and so many days after the first."""
    return (*cut(OPIOID, 10 + days, 105.0), (10, *OPIOID[0][1:3], 90.0))


def slip(days: int) -> tuple[Dose, ...]:
    """BENZO, entered ten times too high for so many days until five days ago."""
    return (*cut(BENZO, 5 + days, 20.0), (5, *BENZO[0][1:]))


def last(days: int, value: float) -> list[tuple[int, float]]:
    """The same answer on each of the last days."""
    return [(ago, value) for ago in range(days)]


def known(doses: tuple[Dose, ...], **reports: Report) -> History:
    """A record: facts, orders and results as answers of the patient's file, all else as check-ins of today."""
    source = {row["name"]: row["source"] for row in tables.read("variables").rows}
    answers, checkins = {}, []
    for name, given in reports.items():
        if isinstance(given, list):
            checkins += [CheckIn(TODAY - timedelta(days=ago), name, value) for ago, value in given]
        elif source[name] in ("baseline", "order", "lab"):
            answers[name] = float(given)
        else:
            checkins.append(CheckIn(TODAY, name, float(given)))
    rows = tuple(DoseRow(TODAY - timedelta(days=ago), find_drug(d, f), dose) for ago, d, f, dose in doses)
    return History("p", tuple(checkins), rows, answers)


INHIBITOR, INDUCER = "strong_cyp3a4_inhibitor_started_14d", "cyp3a4_inducer_stopped_14d"
SLOWLY_ENDED = (*BENZO, *((ago, "lorazepam", "IR", dose) for ago, dose in ((60, 1.0), (30, 0.5), (5, 0.0))))
GIVEN_BACK = (*BENZO, (5, "lorazepam", "IR", 0.0), (3, "lorazepam", "IR", 1.5))


def restarted(gap_d: int, dose: float, ago: int = 1, doses: tuple[Dose, ...] = OPIOID) -> tuple[Dose, ...]:
    """A drug that was begun again so many days ago, after so many days without."""
    return (*cut(doses, gap_d + ago, 0.0), (ago, *doses[0][1:3], dose))


RESTARTED_OTHERWISE = (*cut(OPIOID, 20, 0.0), (1, "buprenorphine", "SL film/tablet", 8.0))
CUT_10D = cut(OPIOID, 10, 108.0)
CUT_27D = cut(OPIOID, 27, 111.0)
HELD_28D = cut(OPIOID, 40, 108.0)
PAIN_WIDER: dict[str, Report] = {"pain_nrs": [(41, 4.0), (42, 4.0), (43, 4.0), *last(14, 6.0)], "pain_area_wider": 1}
PAIN_LESS: dict[str, Report] = {"pain_nrs": [(41, 4.0), (42, 4.0), (43, 4.0), *last(14, 5.9)], "pain_area_wider": 1}
WOMAN: dict[str, Report] = {"sex_female": 1, "sex_male": 0}

Case = tuple[str, History, History, History | None]
CASES: list[Case] = [  # flag, true, false, unknown (None: can never be unknown once there are doses)
    ("suicidal_thought", known(OPIOID, phq9_item9=1), known(OPIOID, phq9_item9=0), known(OPIOID)),
    (
        "suicidal_intent",
        known(OPIOID, suicidal_intent=1),
        known(OPIOID, suicidal_intent=0, crisis_message=0),
        known(OPIOID, suicidal_intent=0),
    ),
    (
        "suicidal_intent",
        known(OPIOID, crisis_message=1),
        known(BENZO, suicidal_intent=0, crisis_message=0),
        known(OPIOID, crisis_message=0),
    ),
    (
        "mood_worsening",
        known(TAPERED, phq9=[(25, 8), (0, 13)]),
        known(TAPERED, phq9=[(25, 8), (0, 12)]),
        known(TAPERED),
    ),
    (
        "mood_worsening",  # nothing was ever reduced: against the answer of more than two weeks ago
        known(OPIOID, phq9=[(25, 8), (0, 13)]),
        known(OPIOID, phq9=[(25, 8), (0, 12)]),
        None,
    ),
    (
        "pain_flare",
        known(OPIOID, pain_nrs=[*((ago, 4.0) for ago in range(14, 28)), *last(7, 6.0)]),
        known(OPIOID, pain_nrs=[*((ago, 4.0) for ago in range(14, 28)), *last(7, 5.9)]),
        None,
    ),
    ("mood_worsening", known(OPIOID, phq8=20), known(OPIOID, phq8=19), known(OPIOID, phq2=6)),
    ("mood_screen_positive", known(OPIOID, phq2=3), known(OPIOID, phq2=3, phq9=5), known(OPIOID)),
    (
        "anxiety_worsening",
        known(TAPERED, gad7=[(25, 5), (0, 9)]),
        known(TAPERED, gad7=[(25, 5), (0, 8)]),
        known(TAPERED),
    ),
    ("anxiety_screen_positive", known(OPIOID, gad2=3), known(OPIOID, gad2=3, gad7=4), known(OPIOID)),
    (
        "overdose_sign",
        known(OPIOID, blue_lips=1),
        known(OPIOID, unresponsive=0, blue_lips=0, gurgling_breath=0),
        known(OPIOID, unresponsive=0, blue_lips=0),
    ),
    ("breathing_very_slow", known(OPIOID, resp_rate=9), known(OPIOID, resp_rate=10), known(OPIOID)),
    ("oversedation", known(OPIOID, poss=3), known(OPIOID, poss=2), known(OPIOID)),
    (
        "oversedation",
        known((*TAPERED, *BENZO), ess=[(25, 6), (0, 10)]),
        known((*TAPERED, *BENZO), ess=[(25, 6), (0, 9)]),
        known(TAPERED, ess=[(25, 6), (0, 10)]),
    ),
    ("breathing_depressed", known(OPIOID, resp_rate=11), known(OPIOID, resp_rate=12), known(OPIOID)),
    ("breathing_depressed", known(OPIOID, spo2=92), known(OPIOID, spo2=93), known(OPIOID)),
    ("hypoxaemia", known(OPIOID, spo2=89), known(OPIOID, spo2=90), known(OPIOID)),
    ("vitals_emergency", known(OPIOID, hr=140), known(OPIOID, hr=139), known(OPIOID)),
    ("vitals_abnormal", known(OPIOID, temp_c=38.0), known(OPIOID, temp_c=37.9), known(OPIOID)),
    ("opioid_withdrawal_moderate", known(OPIOID, sows_gossop=15), known(OPIOID, sows_gossop=14), known(OPIOID)),
    ("opioid_withdrawal_moderate", known(OPIOID, cows=13), known(BENZO, cows=13), known(OPIOID)),
    ("opioid_withdrawal_severe", known(OPIOID, vomiting_24h=5), known(OPIOID, vomiting_24h=4), known(OPIOID)),
    (
        "withdrawal_persistent",
        known(TAPERED, sows_gossop=[*before(2), *last(7, 8)]),
        known(TAPERED, sows_gossop=[*before(2), *last(6, 8), (6, 7)]),
        known(TAPERED, sows_gossop=[*before(2), *last(6, 8)]),
    ),
    (
        "cut_broke_limit",
        known(TAPERED, pain_nrs=[*before(5), *((ago, 7.0) for ago in (20, 18, 16))]),
        known(TAPERED, pain_nrs=[*before(5), *((ago, 6.0) for ago in (20, 18, 16))]),
        known(TAPERED, pain_nrs=before(5, 9)),
    ),
    (
        "cut_not_recovered",
        known(TAPERED, pain_nrs=[*before(5), *((ago, 7.0) for ago in (20, 18, 16)), *last(3, 7)]),
        known(TAPERED, pain_nrs=[*before(5), *((ago, 7.0) for ago in (20, 18, 16)), *last(3, 6)]),
        known(TAPERED, pain_nrs=before(5, 9)),
    ),
    (
        "cut_felt_severely",
        known(TAPERED, pain_nrs=[*before(5), *last(20, 7.1)]),
        known(TAPERED, pain_nrs=[*before(5), *last(20, 7.0)]),
        known(TAPERED, pain_nrs=before(5, 9)),
    ),
    (  # nothing was over a limit in the fortnight after the cut; the last week is
        "worse_since_taper",
        known(TAPERED, pain_nrs=[*before(5), *((ago, 5.0) for ago in (18, 17, 16)), *last(7, 6.1)]),
        known(TAPERED, pain_nrs=[*before(5), *((ago, 5.0) for ago in (18, 17, 16)), *last(7, 6.0)]),
        known(TAPERED, pain_nrs=before(5, 9)),
    ),
    (  # given back, or less than two weeks ago
        "worse_since_taper",
        known(TAPERED, function=[*before(60), *((ago, 60.0) for ago in (18, 17, 16)), *last(7, 49)]),
        known((*TAPERED, (8, *OPIOID[0][1:])), function=[*before(60), (18, 60), (17, 60), (16, 60), *last(7, 49)]),
        None,
    ),
    (
        "slow_worsening",
        known(OPIOID, pain_nrs=[*((ago, 4.0) for ago in range(42, 50)), *last(7, 6.0)]),
        known(OPIOID, pain_nrs=[*((ago, 4.0) for ago in range(42, 50)), *last(7, 5.9)], function=[(43, 5), (0, 5)]),
        known(OPIOID, pain_nrs=[*((ago, 4.0) for ago in range(30, 41)), *last(7, 6.0)]),
    ),
    (  # after a reduction the other rules compare
        "slow_worsening",
        known(OPIOID, function=[*((ago, 50.0) for ago in range(42, 50)), *last(7, 40)]),
        known(TAPERED, function=[*((ago, 50.0) for ago in range(42, 50)), *last(7, 40)]),
        None,
    ),
    (
        "precipitated_withdrawal",
        known(TO_BUPRENORPHINE, sows_gossop=15),
        known(OPIOID, sows_gossop=15),
        known(TO_BUPRENORPHINE),
    ),
    ("bzd_seizure", known(BENZO, seizure=1), known(BENZO, seizure=0), known(BENZO)),
    ("bzd_delirium", known(BENZO, confusion=1), known(BENZO, confusion=0, hallucination=0), known(BENZO, confusion=0)),
    (
        "bzd_fever_tachycardia",
        known(BENZO, temp_c=38.0, hr=120),
        known(BENZO, temp_c=38.0, hr=119),
        known(BENZO, temp_c=38.0),
    ),
    (
        "bzd_seizure_risk",
        known(BENZO, seizure_history=1),
        known(BENZO, seizure_history=0, alcohol_dependence=0, benzodiazepine_days_without=0, seizure_lowering_drug=0),
        known(BENZO, seizure_history=0),
    ),
    (  # a later "no" does not undo a seizure
        "bzd_abrupt_stop_earlier_seizure",
        known(cut(ALPRAZOLAM, 3, 0.5), seizure=[(1, 1), (0, 0)]),
        known(cut(ALPRAZOLAM, 3, 1.1), seizure=[(1, 1), (0, 0)]),
        None,
    ),
    ("bzd_seizure_risk", known(cut(BENZO, 3, 0.9)), known(OPIOID), known(cut(BENZO, 3, 1.0))),
    (
        "bzd_abrupt_stop_earlier_seizure",
        known(cut(ALPRAZOLAM, 28, 0.0), seizure_history=1),
        known(cut(ALPRAZOLAM, 29, 0.0), seizure_history=1),
        known(cut(ALPRAZOLAM, 3, 0.9)),
    ),
    ("bzd_abrupt_stop", known(cut(BENZO, 3, 0.9)), known(cut(BENZO, 3, 1.0)), known(())),
    ("bzd_abrupt_stop", known((*cut(BENZO, 4, 1.5), (2, "lorazepam", "IR", 0.0))), known(SLOWLY_ENDED), None),
    ("bzd_abrupt_stop", known((*BENZO, *OPIOID, (1, "lorazepam", "IR", 0.0))), known(GIVEN_BACK), None),
    ("bzd_abrupt_stop", known(slip(3)), known(slip(2)), None),  # a slip of the decimal point that was corrected
    ("bzd_withdrawal_moderate", known(BENZO, ciwa_b=21), known(BENZO, ciwa_b=20), known(BENZO)),
    ("bzd_step_too_large", known(cut(BENZO, 10, 1.4)), known(cut(BENZO, 10, 1.5)), None),
    ("opioid_step_too_large", known(cut(OPIOID, 10, 101.0)), known(cut(OPIOID, 10, 108.0)), known(BUPRENORPHINE)),
    ("opioid_step_too_large", known(waited(34)), known(waited(35)), None),  # 12.5 % in 35 days are 10 % in 28
    ("opioid_step_too_large", known(cut(CUT_27D, 10, 105.0)), known(cut(OPIOID, 10, 102.0)), None),
    ("opioid_step_over_30pct", known(cut(OPIOID, 10, 80.0)), known(cut(OPIOID, 10, 84.0)), known(BUPRENORPHINE)),
    ("gabapentinoid_step_too_large", known(cut(PREGABALIN, 3, 140.0)), known(cut(PREGABALIN, 3, 150.0)), None),
    (
        "concurrent_cuts",
        known((*cut(OPIOID, 5, 108.0), *cut(BENZO, 13, 1.5))),
        known((*cut(OPIOID, 5, 108.0), *cut(BENZO, 14, 1.5))),
        None,
    ),
    ("tenfold_entry", known(cut(OPIOID, 6, 960.0)), known(cut(OPIOID, 6, 950.0)), known(())),
    ("tenfold_entry", known(cut(GABA, 27, 180.0)), known(cut(GABA, 28, 180.0)), None),
    ("tenfold_entry", known(cut(OPIOID, 6, 12.0)), known((*cut(OPIOID, 6, 1200.0), (2, *OPIOID[0][1:]))), None),
    ("large_rise", known(cut(OPIOID, 13, 181.0)), known(cut(OPIOID, 13, 180.0)), known(BUPRENORPHINE)),
    ("large_rise", known(cut(BENZO, 1, 4.0)), known(cut(BENZO, 14, 4.0)), None),
    ("large_rise", known(((5, *OPIOID[0][1:3], 30.0), (2, *OPIOID[0][1:]))), known(((5, *OPIOID[0][1:]),)), None),
    (  # oxycodone 60 mg is 90 MME
        "opioid_change_full_dose",
        known(changed_to(13, "morphine", "ER", 68.0)),
        known(changed_to(13, "morphine", "ER", 67.5)),
        None,
    ),
    (  # half of it is replaced
        "opioid_change_full_dose",
        known(changed_to(2, "morphine", "ER", 45.0, 30.0)),
        known(changed_to(14, "morphine", "ER", 90.0)),
        None,
    ),
    ("opioid_change_full_dose", known(changed_to(2, "morphine", "ER", 90.0)), known(cut(OXYCODONE, 2, 55.0)), None),
    ("opioid_change_full_dose", known(changed_to(2, "morphine", "ER", 90.0)), known(TO_BUPRENORPHINE), known(())),
    (
        "opioid_changed",
        known(changed_to(13, "morphine", "ER", 45.0)),
        known(changed_to(14, "morphine", "ER", 45.0)),
        None,
    ),
    ("opioid_changed", known(changed_to(1, "morphine", "ER", 45.0)), known(cut(OXYCODONE, 1, 55.0)), known(())),
    (  # the lower dose of a conversion is no cut down to half; what lies below is: 90 MME to 45, to 30
        "opioid_step_over_30pct",
        known(changed_to(13, "morphine", "ER", 30.0)),
        known(changed_to(13, "morphine", "ER", 45.0)),
        None,
    ),
    (  # the other form of one drug is no other opioid
        "opioid_changed",
        known(changed_to(1, "morphine", "ER", 45.0)),
        known((*OXYCODONE, (1, "oxycodone", "IR", 0.0), (1, "oxycodone", "ER", 60.0))),
        None,
    ),
    (
        "imposed_taper",
        known(OPIOID, patient_agreed_to_taper=0),
        known(OPIOID, patient_agreed_to_taper=1),
        known(OPIOID),
    ),
    (
        "oih_suspected",
        known(HELD_28D, **PAIN_WIDER),
        known(HELD_28D, **PAIN_LESS),
        known(HELD_28D, pain_nrs=PAIN_WIDER["pain_nrs"]),
    ),
    (
        "pain_flare",
        known(TAPERED, pain_nrs=[*before(5), *last(7, 7)]),
        known(TAPERED, pain_nrs=[*before(5), *last(7, 6.9)]),
        known(TAPERED, pain_nrs=[*before(5), *last(3, 9)]),
    ),
    ("pain_flare_peg", known(TAPERED, peg=before(4, 6)), known(TAPERED, peg=before(4, 5.9)), known(TAPERED, peg=9)),
    (
        "function_drop",
        known(TAPERED, function=before(60, 50)),
        known(TAPERED, function=before(60, 51)),
        known(TAPERED, function=20),
    ),
    (  # a single bad day of a week is none
        "function_drop",
        known(TAPERED, function=[*before(60), *last(7, 50)]),
        known(TAPERED, function=[*before(60, 20), *((ago, 58) for ago in range(1, 7))]),
        None,
    ),
    ("rom_loss", known(TAPERED, rom=before(90, 75)), known(TAPERED, rom=before(90, 76)), known(TAPERED, rom=10)),
    ("sleep_collapse", known(TAPERED, isi=[(25, 8), (0, 14)]), known(TAPERED, isi=[(25, 8), (0, 13)]), known(TAPERED)),
    (
        "sleep_collapse",
        known(OPIOID, sleep_hours=last(4, 3.9)),
        known(OPIOID, sleep_hours=last(4, 4.0)),
        known(OPIOID, sleep_hours=last(3, 0.0)),
    ),
    ("catastrophising_high", known(OPIOID, pcs=30), known(OPIOID, pcs=29), known(OPIOID)),
    ("osa_opioid_gaba", known((*OPIOID, *GABA), age=65), known((*OPIOID, *GABA), age=64), known((*OPIOID, *GABA))),
    ("opioid_bzd", known((*OPIOID, *BENZO)), known((*OPIOID, *cut(BENZO, 1, 0.0))), None),
    ("renal_gaba", known(GABA, crcl=59), known(GABA, crcl=60), known(GABA)),
    ("renal_gaba", known(PREGABALIN, crcl=29), known(PREGABALIN, crcl=30), known(PREGABALIN, egfr=20)),
    ("renal_morphine", known(OPIOID, egfr=29), known(OPIOID, egfr=30), known(OPIOID)),
    ("cyp3a4_inhibitor", known(OXYCODONE, **{INHIBITOR: 1}), known(OXYCODONE, **{INHIBITOR: 0}), known(OXYCODONE)),
    ("cyp3a4_inducer_stop", known(OXYCODONE, **{INDUCER: 1}), known(OPIOID, **{INDUCER: 1}), known(OXYCODONE)),
    (
        "cyp2d6",
        known(TRAMADOL, cyp2d6_inhibitor=1),
        known(TRAMADOL, cyp2d6_inhibitor=0, cyp2d6_ultrarapid=0),
        known(TRAMADOL, cyp2d6_inhibitor=0),
    ),
    ("serotonin", known(TRAMADOL, ssri=1, clonus=1), known(TRAMADOL, ssri=1, agitation=0), known(TRAMADOL, ssri=1)),
    ("qtc_500", known(METHADONE, qtc_ms=501), known(METHADONE, qtc_ms=500), known(METHADONE)),
    ("qtc_450", known(METHADONE, qtc_ms=451), known(METHADONE, qtc_ms=450), known(METHADONE)),
    ("methadone_syncope", known(METHADONE, syncope=1), known(OPIOID, syncope=1), known(METHADONE)),
    ("pregnancy", known(OPIOID, pregnant=1), known(OPIOID, sex_male=1), known(OPIOID)),
    ("pregnancy", known(OPIOID, pregnant=1, age=60), known(OPIOID, age=60), known(OPIOID, age=59)),
    ("under_18", known(OPIOID, age=17), known(OPIOID, age=18), known(OPIOID)),
    ("oud_criteria", known(OPIOID, oud_criteria_count=2), known(OPIOID, oud_criteria_count=1), known(OPIOID)),
    ("oud_maintenance", known(METHADONE, oud_criteria_count=2), known(OPIOID), known(METHADONE)),
    ("oud_maintenance", known(BUPRENORPHINE, oud_criteria_count=2), known(BUPRENORPHINE, oud_criteria_count=1), None),
    ("outside_guidance", known(OPIOID, sickle_cell_disease=1), known(OPIOID, sickle_cell_disease=0), known(OPIOID)),
    ("outside_guidance", known(OPIOID, active_cancer=1), known(BENZO, active_cancer=1), None),
    ("craving_spike", known(TAPERED, craving=before(2, 5)), known(TAPERED, craving=before(2, 4)), known(TAPERED)),
    ("loss_of_tolerance", known(cut(OPIOID, 60, 96.0)), known(cut(OPIOID, 60, 97.0)), known(BUPRENORPHINE)),
    ("restart_after_gap", known(restarted(3, 61.0)), known(restarted(2, 120.0)), known(RESTARTED_OTHERWISE)),
    ("restart_after_gap", known(restarted(30, 120.0)), known(restarted(3, 60.0)), None),
    ("restart_after_gap", known(restarted(30, 120.0, 14)), known(restarted(30, 120.0, 15)), None),
    ("bzd_restart_after_gap", known(restarted(7, 1.1, 1, BENZO)), known(restarted(6, 2.0, 1, BENZO)), None),
    ("bzd_restart_after_gap", known(restarted(7, 2.0, 14, BENZO)), known(restarted(7, 1.0, 1, BENZO)), None),
    (
        "gabapentinoid_restart_after_gap",
        known(restarted(7, 160.0, 1, PREGABALIN)),
        known(restarted(6, 300.0, 1, PREGABALIN)),
        None,
    ),
    (
        "gabapentinoid_restart_after_gap",
        known(restarted(30, 300.0, 1, PREGABALIN)),
        known(restarted(30, 150.0, 1, PREGABALIN)),
        None,
    ),
    ("gabapentinoid_rise", known(cut(PREGABALIN, 13, 451.0)), known(cut(PREGABALIN, 13, 450.0)), None),
    ("gabapentinoid_rise", known(cut(PREGABALIN, 1, 600.0)), known(cut(PREGABALIN, 14, 600.0)), None),
    ("large_rise", known((*OPIOID, *cut(PREGABALIN, 5, 601.0))), known(cut(PREGABALIN, 5, 601.0)), None),
    ("sleep_apnoea_opioid", known(OPIOID, osa=1), known(OPIOID, osa=0), known(OPIOID)),
    ("sleep_apnoea_opioid", known(OPIOID, stop_bang=5), known(BENZO, osa=1), known(OPIOID)),
    ("return_to_prior_dose", known(OPIOID, opioid_taken_mme=181), known(OPIOID, opioid_taken_mme=180), known(OPIOID)),
    ("illicit_use", known(OPIOID, illicit_use_reported=1), known(OPIOID, uds_unexpected=0), known(OPIOID)),
    (
        "missed_checkins",
        known(CUT_10D, craving=[(a, 0) for a in range(3, 20)]),
        known(CUT_10D, craving=[(a, 0) for a in range(2, 20)]),
        known(CUT_10D),
    ),
    ("missed_appointment", known(CUT_10D, missed_visits_14d=1), known(TAPERED, missed_visits_14d=1), known(CUT_10D)),
    ("early_refill", known(OPIOID, refill_days_early=3), known(OPIOID, refill_days_early=2), known(OPIOID)),
    ("stockpile", known(OPIOID, supply_on_hand_days=36), known(OPIOID, supply_on_hand_days=35), known(OPIOID)),
    ("duplicate_prescribers", known(OPIOID, controlled_drug_prescribers=2), known(OPIOID), None),
    ("duplicate_prescribers", known((*OPIOID, *OXYCODONE)), known((*OPIOID, *BENZO)), None),
    ("pdmp_not_checked", known(BENZO, pdmp_checked_90d=0), known(GABA, pdmp_checked_90d=0), known(BENZO)),
    ("late_refill_or_gap", known(OPIOID, days_without_supply=1), known(OPIOID, days_without_supply=0), known(OPIOID)),
    (
        "late_dose_change",
        known(OPIOID, days_at_old_dose_after_step=8),
        known(OPIOID, days_at_old_dose_after_step=7),
        known(OPIOID),
    ),
    ("alcohol", known(OPIOID, **WOMAN, audit_c=3), known(OPIOID, **WOMAN, audit_c=2), known(OPIOID, audit_c=3)),
    ("no_naloxone", known(OPIOID, naloxone_at_home=0), known(OPIOID, naloxone_at_home=1), known(OPIOID)),
    ("falls", known(OPIOID, falls_30d=1, age=65), known(OPIOID, falls_30d=1, age=64), known(OPIOID, falls_30d=1)),
    (
        "falls_elderly_serious",
        known(OPIOID, age=65, falls_30d=2),
        known(OPIOID, age=65, falls_30d=1, fall_with_injury=0),
        known(OPIOID, age=65, falls_30d=1),
    ),
    (
        "constipation_obstruction",
        known(OPIOID, no_bowel_movement_days=5, abdominal_distension=1),
        known(OPIOID, no_bowel_movement_days=4),
        known(OPIOID, no_bowel_movement_days=5),
    ),
    ("caregiver_alarm", known(OPIOID, caregiver_alert=1), known(OPIOID, caregiver_alert=0), known(OPIOID)),
    (
        "emergency_contact_missing",
        known(OPIOID, emergency_contact_recorded=1, location_recorded=0),
        known(OPIOID, emergency_contact_recorded=1, location_recorded=1),
        known(OPIOID, location_recorded=1),
    ),
    # -- interactions --
    ("opioid + benzodiazepine", known((*OPIOID, *BENZO)), known(OPIOID), None),
    ("opioid + gabapentinoid", known((*OPIOID, *GABA)), known(GABA), None),
    ("opioid + alcohol", known(OPIOID, drinks_7d=1), known(OPIOID, drinks_7d=0), known(OPIOID)),
    (
        "oxycodone + strong CYP3A4 inhibitor",
        known(OXYCODONE, **{INHIBITOR: 1}),
        known(OPIOID, **{INHIBITOR: 1}),
        known(OXYCODONE),
    ),
    (
        "oxycodone + CYP3A4 inducer (rifampin, carbamazepine)",
        known(OXYCODONE, **{INDUCER: 1}),
        known(OXYCODONE, **{INDUCER: 0}),
        known(OXYCODONE),
    ),
    (
        "oxycodone + CYP2D6 inhibitor",
        known(OXYCODONE, cyp2d6_inhibitor=1),
        known(OXYCODONE, cyp2d6_inhibitor=0),
        known(OXYCODONE),
    ),
    (
        "fentanyl + CYP3A4 inhibitor",
        known(FENTANYL, **{INHIBITOR: 1}),
        known(FENTANYL, **{INHIBITOR: 0}),
        known(FENTANYL),
    ),
    ("fentanyl + CYP3A4 inducer", known(FENTANYL, **{INDUCER: 1}), known(FENTANYL, **{INDUCER: 0}), known(FENTANYL)),
    ("fentanyl patch + heat/fever", known(FENTANYL, temp_c=38.0), known(FENTANYL, temp_c=37.9), known(FENTANYL)),
    (
        "methadone + CYP3A4 or 2D6 inhibitor",
        known(METHADONE, cyp2d6_inhibitor=1),
        known(METHADONE, cyp2d6_inhibitor=0),
        known(METHADONE),
    ),
    (
        "methadone + CYP3A4/2B6 inducer",
        known(METHADONE, **{INDUCER: 1}),
        known(METHADONE, **{INDUCER: 0}),
        known(METHADONE),
    ),
    (
        "buprenorphine + CYP3A4 inhibitor",
        known(BUPRENORPHINE, **{INHIBITOR: 1}),
        known(BUPRENORPHINE, **{INHIBITOR: 0}),
        known(BUPRENORPHINE),
    ),
    ("buprenorphine + full agonist (recent)", known(TO_BUPRENORPHINE), known(BUPRENORPHINE), None),
    (
        "hydrocodone + CYP3A4 inhibitor",
        known(HYDROCODONE, **{INHIBITOR: 1}),
        known(HYDROCODONE, **{INHIBITOR: 0}),
        known(HYDROCODONE),
    ),
    (
        "codeine or tramadol + CYP2D6 inhibitor (paroxetine, bupropion, fluoxetine)",
        known(TRAMADOL, cyp2d6_inhibitor=1),
        known(TRAMADOL, cyp2d6_inhibitor=0),
        known(TRAMADOL),
    ),
    (
        "tramadol/tapentadol/methadone/fentanyl + SSRI/SNRI",
        known(METHADONE, snri=1),
        known(METHADONE, snri=0, ssri=0),
        known(METHADONE, snri=0),
    ),
    ("opioid + Z-drug", known(OPIOID, z_drug=1), known(OPIOID, z_drug=0), known(OPIOID)),
    ("benzodiazepine + Z-drug", known(BENZO, z_drug=1), known(BENZO, z_drug=0), known(BENZO)),
    ("any opioid + MAOI", known(OPIOID, maoi=1), known(OPIOID, maoi=0), known(OPIOID)),
    (
        "tramadol + benzodiazepine taper",
        known((*TRAMADOL, *cut(BENZO, 13, 1.5))),
        known((*TRAMADOL, *cut(BENZO, 14, 1.5))),
        None,
    ),
    (
        "tramadol/tapentadol/meperidine + earlier seizure",
        known(TRAMADOL, seizure_history=1),
        known(OPIOID, seizure_history=1),
        known(TRAMADOL),
    ),
    (
        "morphine/oxymorphone/hydromorphone + CYP inhibitors",
        known(OPIOID, cyp2d6_inhibitor=1),
        known(OPIOID, cyp2d6_inhibitor=0),
        known(OPIOID),
    ),
    (
        "alprazolam/clonazepam/diazepam + CYP3A4 inhibitor",
        known(ALPRAZOLAM, **{INHIBITOR: 1}),
        known(BENZO, **{INHIBITOR: 1}),
        known(ALPRAZOLAM),
    ),
    ("gabapentinoid + renal impairment", known(GABA, crcl=59), known(GABA, crcl=60), known(GABA)),
]

#: Rules about doses alone: once there are doses they are known.
NEVER_UNKNOWN = {
    "bzd_step_too_large",
    "gabapentinoid_step_too_large",
    "concurrent_cuts",
    "opioid_bzd",
    "duplicate_prescribers",
    "bzd_restart_after_gap",
    "gabapentinoid_restart_after_gap",
    "gabapentinoid_rise",
    "opioid + benzodiazepine",
    "opioid + gabapentinoid",
    "buprenorphine + full agonist (recent)",
    "tramadol + benzodiazepine taper",
}
#: Pairs of which one side is no variable (a Z-drug, an antacid …): for reading, never judged.
NOT_JUDGED = 9


def states(history: History) -> dict[str, str]:
    """State of every rule, as the recommendation asks for it."""
    found = judge(Values(history, TODAY, {"reduction_planned": 1.0}))
    return {f.flag: f.state for f in (*found.flags, *found.interactions)}


@pytest.mark.parametrize(("flag", "true", "false", "unknown"), CASES, ids=[f"{c[0]}-{k}" for k, c in enumerate(CASES)])
def test_a_rule_is_true_false_or_unknown_as_worked_out_by_hand(
    flag: str, true: History, false: History, unknown: History | None
) -> None:
    assert states(true)[flag] == "true"
    assert states(false)[flag] == "false"
    if unknown is not None:
        assert states(unknown)[flag] == "unknown"


def test_every_rule_has_cases_and_the_rules_that_are_never_unknown_are_listed() -> None:
    flags = [row["flag"] for row in tables.read("red_flags").rows]
    pairs = [row["pair"] for row in tables.read("interactions").rows if row["rule"]]
    assert {case[0] for case in CASES} == {*flags, *pairs}
    assert {case[0] for case in CASES} - {case[0] for case in CASES if case[3] is not None} == NEVER_UNKNOWN
    assert sum(not row["rule"] for row in tables.read("interactions").rows) == NOT_JUDGED


def test_without_doses_or_answers_no_rule_on_reported_variables_is_false() -> None:
    known_anyway = {"missed_appointment"}  # never reduced: nothing missed after a reduction
    found = states(History("p"))
    false = {name for name, state in found.items() if state == "false"}
    assert false <= known_anyway | {"withdrawal_persistent", "missed_checkins"}
    assert "true" not in found.values()


def test_every_emergency_stops_and_every_same_day_flag_holds() -> None:
    urgency = {row["flag"]: row["urgency"] for row in tables.read("red_flags").rows}
    for flag, true, *_ in CASES:
        found = judge(Values(true, TODAY, {"reduction_planned": 1.0}))
        if urgency.get(flag) == "emergency":
            assert flag in [f.flag for f in found.urgent]
            assert next(f.within for f in found.urgent if f.flag == flag) == "now"
        if urgency.get(flag) == "same_day":
            assert flag in [f.flag for f in found.holding]
    for flag in ("opioid_bzd", "no_naloxone"):  # a standing risk is listed and never silences
        true = next(case[1] for case in CASES if case[0] == flag)
        found = judge(Values(true, TODAY))
        assert flag in [f.flag for f in found.raised()]
        assert flag not in [f.flag for f in (*found.urgent, *found.holding)]


def test_an_interaction_is_acted_on_within_the_time_of_its_severity() -> None:
    limit = {"contraindicated": "today", "major": "within 72 hours"} | dict.fromkeys(
        ("moderate", "minor"), "at the next visit"
    )
    severity = {row["pair"]: row["severity"] for row in tables.read("interactions").rows if row["rule"]}
    assert {"contraindicated", "major", "moderate"} <= set(severity.values())
    for flag, true, *_ in CASES:
        if flag in severity:
            found = {f.flag: f for f in judge(Values(true, TODAY)).interactions}
            assert (found[flag].state, found[flag].within) == ("true", limit[severity[flag]]), flag
            effect = "no_reduction_no_rise" if severity[flag] == "contraindicated" else "listed"
            assert (found[flag].who, found[flag].effect) == ("pharmacist", effect)


def test_the_result_is_valid_json_and_reproducible() -> None:
    def written() -> str:
        found = judge(Values(known((*TAPERED, *BENZO), phq9_item9=1, hr=150), TODAY))
        return json.dumps([shown_flag(f) for f in (*found.flags, *found.interactions)], allow_nan=False)

    assert written() == written()
    assert json.loads(written())[0]["flag"] == "suicidal_thought"
