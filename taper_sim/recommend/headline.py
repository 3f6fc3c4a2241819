"""The first sentence of an answer: what to do today. Imports ``safety.red_flags``, ``options``.

What cannot wait comes before any abstention or statistic.
"""

from typing import Final

from taper_sim.recommend.options import Option
from taper_sim.safety.red_flags import PAUSE, SMALLER_STEPS, Flag, JudgedRules

SEE_TODAY: Final = "hold, see the person today: no dose is reduced"
_NOR_RAISED: Final = ", and none is raised"
_SEE_SOON: Final = "hold, see the person within 72 hours: no dose is reduced"
HOLD_WITHOUT_FORECAST: Final = "hold until the prescriber has looked: no forecast is given"
NO_REDUCTION_NOW: Final = "hold: no reduction is allowed at present"
"""Reason of ``choice.choose`` where no reduction may be chosen by default."""
_EITHER: Final = "it may be the taper, may be the course of the illness, and the model cannot tell which"
_NOT_THE_TAPER: Final = "no dose was reduced before it: look for another cause"
_CUT_BROKE_LIMIT: Final = (
    "hold: a cut broke a limit on what is felt, less than two weeks ago or with an effect that has not passed; a step "
    "back is what a clinician considers; it may be the taper, and it may be the course of the illness"
)
_CUT_NOT_RECOVERED: Final = "cut_not_recovered"
KEEP_THE_DOSE: Final = "keep the dose as it is: "
"""How the reason of ``whether_to_taper`` for maintenance begins."""
_WORSE_SINCE_TAPER: Final = "worse_since_taper"
_WORSE: Final = (
    "hold: the last week is worse than before the taper, over a limit; it may be the taper, may be the course of the "
    "illness: look for the cause; a way back up is what a clinician considers"
)
_FELT: Final = ("pain", "function", "withdrawal", "bzd withdrawal", "mood", "sleep", "pace")
"""Domains of red_flags.csv whose flags are of what a person feels or of a cut."""


def see_first(judged: JudgedRules, without_forecast: bool, after_a_cut: bool = True) -> str:
    """Whether the person is seen before anything else; empty if nothing asks for it.

    ``after_a_cut`` if any dose was reduced: nothing else can have come from a taper. Without a forecast, because the
    reports do not fit the model, a broken limit is a reason of the same day and a raised flag of what is felt one of
    the next days: the person may be at their worst.
    """
    if judged.holding:
        return f"{SEE_TODAY}{_NOR_RAISED if judged.sedated else ''}"
    if not without_forecast:
        return ""
    if _is_cut_felt(judged.unsigned(PAUSE)):
        return f"{SEE_TODAY}; a limit on what is felt is broken: {_EITHER}"
    felt = [f.flag for f in judged.raised("same_day", "within_72h") if f.domain in _FELT and not f.acknowledged_by]
    return f"{_SEE_SOON}; {', '.join(felt)}: {_EITHER if after_a_cut else _NOT_THE_TAPER}" if felt else ""


def _is_cut_felt(paused: list[Flag]) -> bool:
    """Whether a cut that broke a limit is among the reasons of a pause."""
    return any(f.flag == _CUT_NOT_RECOVERED for f in paused)


def pause_reason(judged: JudgedRules) -> str:
    """Why nothing is reduced until a named person has looked at the cause; empty if the taper does not pause."""
    paused = judged.unsigned(PAUSE)
    if not paused:
        return ""
    if _is_cut_felt(paused):
        return _CUT_BROKE_LIMIT
    if all(f.flag == _WORSE_SINCE_TAPER for f in paused):
        return _WORSE
    names = ", ".join(f.flag for f in paused)
    first = "the dose settles first" if all(f.domain == "pace" for f in paused) else "look for the cause first"
    return f"{_SEE_SOON}: {names}; {first}"


def urgent_headline(flags: list[Flag]) -> str:
    """Headline of an emergency."""
    calls = dict.fromkeys(f"{f.who} {f.within}" for f in flags)
    return f"act now, call {', '.join(calls)}: {', '.join(f.flag for f in flags)}; no option comes before that"


def headline_of(judged: JudgedRules, chosen: Option, reason: str, first_step: str, barred: str) -> str:
    """Headline of a recommendation: the chosen option as something to do, with its reason.

    Parameters
    ----------
    judged : JudgedRules
    chosen : Option
    reason : str
        Why it is chosen.
    first_step : str
        Its first step in words.
    barred : str
        Why no reduction is offered; empty if one is.
    """
    see = see_first(judged, without_forecast=False)
    if see:
        return see if chosen.kind in ("hold", "maintain") else f"{see}; {chosen.name}"
    if chosen.kind == "reduce":
        offer = f"a smaller dose can be offered {first_step}"
        return f"talk about the cut that broke a limit; then {offer}" if judged.unsigned(SMALLER_STEPS) else offer
    if chosen.kind == "hold" and not judged.unsigned(PAUSE):
        if judged.unsigned(SMALLER_STEPS):
            return "hold: talk about the cut that broke a limit before the next, which is at most half as large"
        return f"hold: no reduction is offered: {barred}" if barred else reason
    if chosen.kind == "maintain" and not reason.startswith("maint"):
        return f"maintain this dose: {reason.removeprefix(KEEP_THE_DOSE)}"
    return reason if reason.startswith(chosen.kind.split("_", maxsplit=1)[0]) else f"{chosen.name}: {reason}"
