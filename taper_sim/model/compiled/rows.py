"""Where each state, sum, parameter and coefficient stands in the kernel's arrays. Imports ``event_parameters``.

Arrays are (tile, row, lane); NumPy sees a row of everybody as ``a[:, row, :]``. A row that exists for each drug class
takes three rows from its number on, K and the planned care six, the slow noise eight.
"""

from collections import namedtuple
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from taper_sim.model.event_parameters import DECAYS, LOADS, NOISE_SD, SHARED, STREAMS
from taper_sim.units import DRUG_CLASSES

LANES: Final = 32  # people a tile: X then fits the second-level cache and the loop fills its vectors

# -- state: what a day leaves for the next -----------------------------------------------------------------------------
G, F, L, A, W, E, PRESCRIBED, HELD, BEFORE_CUT = range(0, 27, 3)
R, X, P, M, I, U, N, C = range(27, 35)  # noqa: E741 - the model's letters
K: Final = 35  # six
SLOW: Final = 41  # eight, in the order of STREAMS
(
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
) = range(49, 62)
DELIVERED: Final = 62  # six: care delivered ÷ planned in the running week
N_STATE: Final = 68

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
) = range(8, 37)
N_SUMS: Final = 37

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
N_PARAM: Final = 93

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
NORMAL: Final = PARAM + N_PARAM  # day factor, then white and slow of each stream; three spare fill the fifth call
UNIFORM: Final = NORMAL + 1 + 2 * N_REPORTS + 3  # twelve, nine of them used
U_DROPOUT, U_RETURN, U_LAPSE, U_CRISIS, U_OVERDOSE, U_SEIZURE, U_URGENT, U_MISS, U_VISIT = range(UNIFORM, UNIFORM + 9)
REPORT: Final = UNIFORM + 12
TAKEN: Final = REPORT + N_REPORTS  # three
CUT: Final = TAKEN + 3
N_ROWS: Final = CUT + 1
STRIDE: Final = LANES + 8  # rows of 256 bytes would alias in the first-level cache
