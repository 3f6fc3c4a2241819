"""Where each state, sum, parameter and coefficient stands in the kernel's arrays. Imports ``event_parameters``.

Arrays are (tile, row, lane); NumPy sees a row of everybody as ``a[:, row, :]``. A row that exists for each drug class
takes three rows from its number on, K and the planned care six, the slow noise four.
"""

from collections import namedtuple
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from taper_sim.model.event_parameters import DECAYS, LOADS, NOISE_SD, SHARED, SLOW_STREAMS, STREAMS
from taper_sim.units import DRUG_CLASSES

LANES: Final = 32  # people a tile: X then fits the second-level cache and the loop fills its vectors

# -- state: what a day leaves for the next -----------------------------------------------------------------------------
G, F, L, A, W, E, PRESCRIBED, HELD, BEFORE_CUT = range(0, 27, 3)
R, X, P, M, I, U, N, C = range(27, 35)  # noqa: E741 - the model's letters
K: Final = 35  # six
SLOW: Final = 41  # four, in the order of SLOW_STREAMS
(
    SEASON,
    MISSED,
    MISSED_VISIT,
    LAPSE_DAYS_LEFT,
    ALIVE,
    IN_CARE,
    FROZEN,
    V,
    LAST_CUT,
    W_ALL,
    DROPOUT_DAY,
    RETURN_DAY,
    STOP_DAY,
    DEATH_DAY,
) = range(45, 59)
DELIVERED: Final = 59  # six: care delivered ÷ planned in the running week
N_STATE: Final = 65

# -- sums since day 0 (differences of two snapshots give a window) ----------------------------------------------------
DAYS, IN_CARE_DAYS = range(2)
SUM_DOSE: Final = 2  # three, dose taken
SUM_W_CLASS: Final = 5  # three
(
    SUM_W,
    OVER_LIMIT,
    MAX_W,
    SUM_X,
    SUM_SOWS,
    SUM_LOG_SOWS,
    SUM_P,
    SUM_M,
    SUM_I,
    SUM_U,
    LAPSES,
    OVERDOSES,
    CRISES,
    SEIZURES,
    URGENT,
    WITHDRAWAL_VISITS,
    ATTEMPTS,
    OVERDOSE_DEATHS,
    SUICIDE_DEATHS,
    HAZARD_DOSE,
    HAZARD_EXCESS,
    CHECKINS_DUE,
    CHECKINS_DONE,
    VISITS_PLANNED,
    VISITS_KEPT,
    FIRST_OVERDOSE,
    FIRST_CRISIS,
    FIRST_URGENT,
    SUM_PRESCRIBED,
    EXPECTED_CRISES,
    EXPECTED_OVERDOSES,
    EXPECTED_SEIZURES,
    EXPECTED_URGENT,
    EXPECTED_WITHDRAWAL_VISITS,
    EXPECTED_DEATHS,
) = range(8, 43)
N_SUMS: Final = 43

# -- parameters of a person, constant within a block ---------------------------------------------------------------
(DECAY_G, EC50, DECAY_F, DECAY_L, OMEGA, SIGMA, ADJUNCT, ALPHA, B, MARGIN0, L0, W0, DOSE0, E0, DOSE) = range(0, 45, 3)
SHAPE: Final = 45  # twelve: class by class, four points each
(
    P0,
    M0,
    I0,
    U0,
    N0,
    C0,
    W_ALL0,
    XI,
    ANNOUNCED,
    APNOEA,
    FATAL,
    RISK_DOSE,
    MORE_SHARE,
    S0,
    NOISE,
    STEPS0,
    MISS_FIXED,
    NOSHOW_FIXED,
    TARGET,
    CHECKIN_EVERY,
    VISIT_EVERY,
) = range(57, 78)
HAZARD: Final = 78  # eight: dropout, return, lapse, crisis, overdose, seizure, urgent, withdrawal visit
PLANNED: Final = 86  # six: planned visits of the discipline, share of full care
IMPOSED: Final = 92  # 1 where cuts are not agreed
BETA: Final = 93  # three
CUT_REFERENCE: Final = 96  # three: dose against which a cut is measured
DECAY_X, LIFE = 99, 100
SUPPLY: Final = 101  # share of the prescribed dose that is at home: 1, or 0 in a gap between prescriptions
N_PARAM: Final = 102

# -- coefficients shared by a tile (one draw of the ensemble) -------------------------------------------------------
COEFFICIENTS: Final[tuple[str, ...]] = (
    *(f"{load}_{drug_class}" for load in LOADS for drug_class in DRUG_CLASSES),
    *(symbol for symbol in SHARED if symbol not in DECAYS.values()),
    *DECAYS,
    *NOISE_SD,
)
Coefficients = namedtuple("Coefficients", COEFFICIENTS)  # type: ignore[misc]  # its fields are a table's
COEFFICIENT: Final[Mapping[str, int]] = MappingProxyType({name: k for k, name in enumerate(COEFFICIENTS)})
WHITE: Final = len(COEFFICIENTS) - len(NOISE_SD)  # place of the first stream's white noise among the coefficients
SLOW_SD: Final = WHITE + len(STREAMS)

# -- reports of a day, NaN where nothing was sent --------------------------------------------------------------------
N_REPORTS: Final = len(STREAMS)

# -- the kernel's local array: state, sums and parameters as above, then what belongs to a day ------------------------
STATE: Final = 0
SUMS: Final = N_STATE
PARAM: Final = SUMS + N_SUMS
NORMAL: Final = PARAM + N_PARAM  # day factor; white of each stream; slow of SLOW_STREAMS; six of life; one spare
WHITE_NORMAL: Final = NORMAL + 1
SLOW_NORMAL: Final = WHITE_NORMAL + N_REPORTS
LIFE_NORMAL: Final = SLOW_NORMAL + len(SLOW_STREAMS)  # as ``day.LifeDraws``; the shocks then stand in the last four
N_NORMAL: Final = 20
UNIFORM: Final = NORMAL + N_NORMAL  # twelve, nine of them used
U_DROPOUT, U_RETURN, U_LAPSE, U_CRISIS, U_OVERDOSE, U_SEIZURE, U_URGENT, U_MISS, U_VISIT = range(UNIFORM, UNIFORM + 9)
REPORT: Final = UNIFORM + 12
TAKEN: Final = REPORT + N_REPORTS  # three
CUT: Final = TAKEN + 3
REMOVED: Final = CUT + 1  # three: share of the dose of day 0 that is removed
W_FELT, P_BAR, M_BAR, LOG_SOWS = range(REMOVED + 3, REMOVED + 7)  # what events depend on, as in ``reference``
N_ROWS: Final = LOG_SOWS + 1
STRIDE: Final = LANES + 8  # rows of 256 bytes would alias in the first-level cache
