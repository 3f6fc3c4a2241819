/* The day loop in C: the opponent of taper_sim/model/kernel.py, part by part the same work in the same layout.
 *
 * c_kernel.py writes rows.h from taper_sim.model.rows: R_... are row numbers and sizes, `struct coefficients` the
 * coefficients in their order. A tile stands in one local array x; a row of lane j is x[row * R_STRIDE + j]. The loops
 * over lanes are meant to become vectors: no call that is not inlined, no branch. exp, log and cos, sin are the
 * polynomials of taper_sim/model/elementary.py, as a call to libm would leave the loops to single numbers.
 *
 * -ffast-math lets the compiler cancel (x + big) - big, so what the kernel rounds by such a sum is rounded by rint here.
 */
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "rows.h"

#define INLINE static inline __attribute__((always_inline))
#define EACH_LANE _Pragma("omp simd") for (int j = 0; j < R_LANES; j++)
#define DAY(row) x[(R_##row) * R_STRIDE + j]
#define STATE(row) x[(R_STATE + R_##row) * R_STRIDE + j]
#define SUM(row) x[(R_SUMS + R_##row) * R_STRIDE + j]
#define PARAM(row) x[(R_PARAM + R_##row) * R_STRIDE + j]

typedef const struct coefficients *restrict coefficients;

/* -- elementary ---------------------------------------------------------------------------------------------------- */

#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW 1.90821492927058770002e-10
#define INV_LN2 1.4426950408889634
#define ROUNDER 6755399441055744.0
#define ALMOST_1 (1.0 - 0x1p-33)
#define TWO_52 4503599627370496.0
#define TWO_52_BITS 0x4330000000000000u
#define ROOT_HALF_BITS 0x3FE6A09E667F3BCDu
#define BIAS_BITS 0x3FF0000000000000u
#define MASK 0xFFFFFFFFu

INLINE uint64_t bits(double value) {
    uint64_t result;
    memcpy(&result, &value, sizeof result);
    return result;
}

INLINE double number(uint64_t value) {
    double result;
    memcpy(&result, &value, sizeof result);
    return result;
}

INLINE double small_integer(uint64_t word) { return number(word | TWO_52_BITS) - TWO_52; }

INLINE double power_of_e(double x) {
    double k = rint(x * INV_LN2);
    double r = (x - k * LN2_HIGH) - k * LN2_LOW;
    double p = 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    return p * number((bits(k + ROUNDER) + 1023) << 52);
}

INLINE double exp_(double x) {
    x = x > 700.0 ? 700.0 : x;
    x = x < -700.0 ? -700.0 : x;
    return power_of_e(x);
}

INLINE double one_minus_exp(double h) { return 1.0 - power_of_e(-(h > 700.0 ? 700.0 : h)); }

INLINE double log_(double x) {
    uint64_t b = bits(x);
    uint64_t biased = (b - ROOT_HALF_BITS + BIAS_BITS) >> 52;
    double m = number(b - (biased << 52) + BIAS_BITS);
    double s = (m - 1.0) / (m + 1.0);
    double t = s * s;
    double p = 1.0 / 17.0;
    p = p * t + 1.0 / 15.0;
    p = p * t + 1.0 / 13.0;
    p = p * t + 1.0 / 11.0;
    p = p * t + 1.0 / 9.0;
    p = p * t + 1.0 / 7.0;
    p = p * t + 1.0 / 5.0;
    p = p * t + 1.0 / 3.0;
    double e = small_integer(biased) - 1023.0;
    return e * LN2_HIGH + (2.0 * s * (p * t + 1.0) + e * LN2_LOW);
}

INLINE void cos_sin_turn(double u, double *cosine, double *sine) {
    double nearest = rint(4.0 * u);
    uint64_t quarter = bits(nearest + ROUNDER);
    double a = 6.283185307179586 * (u - 0.25 * nearest);
    double t = a * a;
    double c = 1.0 / 20922789888000.0;
    c = c * t - 1.0 / 87178291200.0;
    c = c * t + 1.0 / 479001600.0;
    c = c * t - 1.0 / 3628800.0;
    c = c * t + 1.0 / 40320.0;
    c = c * t - 1.0 / 720.0;
    c = c * t + 1.0 / 24.0;
    c = c * t - 0.5;
    c = c * t + 1.0;
    double s = -1.0 / 1307674368000.0;
    s = s * t + 1.0 / 6227020800.0;
    s = s * t - 1.0 / 39916800.0;
    s = s * t + 1.0 / 362880.0;
    s = s * t - 1.0 / 5040.0;
    s = s * t + 1.0 / 120.0;
    s = s * t - 1.0 / 6.0;
    s = (s * t + 1.0) * a;
    bool odd = (quarter & 1) != 0;
    *cosine = number(bits(odd ? s : c) ^ ((quarter + 1) & 2) << 62);
    *sine = number(bits(odd ? c : s) ^ (quarter & 2) << 62);
}

/* -- draws --------------------------------------------------------------------------------------------------------- */

/* Philox4x32-10 for four people at once. Written with vectors, for gcc makes three multiplications of a product of two
 * 64-bit lanes, whose upper halves it does not know to be empty. */
typedef uint64_t words __attribute__((vector_size(32)));
typedef double numbers __attribute__((vector_size(32)));

INLINE words times(words a, uint64_t b) {
    return (words)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x((long long)b));
}

INLINE words low_half(words a) { return a & MASK; }

INLINE void philox(words c[4], uint64_t k0, uint64_t k1) {
    for (int round = 0; round < 10; round++) {
        words p0 = times(c[0], 0xD2511F53u), p1 = times(c[2], 0xCD9E8D57u);
        c[0] = (p1 >> 32) ^ c[1] ^ k0;
        c[1] = low_half(p1);
        c[2] = (p0 >> 32) ^ c[3] ^ k1;
        c[3] = low_half(p0);
        k0 = (k0 + 0x9E3779B9u) & MASK;
        k1 = (k1 + 0xBB67AE85u) & MASK;
    }
}

INLINE void uniforms(double *restrict x, int row, int n_rows, uint64_t call, const uint64_t *id_low,
                     const uint64_t *id_high, uint64_t seed_low, uint64_t seed_high, uint64_t day) {
    for (int j = 0; j < R_LANES; j += 4) {
        words c[4] = {*(const words *)(id_low + j), *(const words *)(id_high + j), (words){0} + day, (words){0} + call};
        philox(c, seed_low, seed_high);
        for (int k = 0; k < n_rows; k++)
            *(numbers *)(x + (row + k) * R_STRIDE + j) = (numbers)(c[k] << 20 | BIAS_BITS) - ALMOST_1;
    }
}

INLINE void normals(double *restrict x, int row) {
    EACH_LANE {
        double radius = sqrt(-2.0 * log_(x[row * R_STRIDE + j])), cosine, sine;
        cos_sin_turn(x[(row + 1) * R_STRIDE + j], &cosine, &sine);
        x[row * R_STRIDE + j] = radius * cosine;
        x[(row + 1) * R_STRIDE + j] = radius * sine;
    }
}

INLINE void draw(double *restrict x, const uint64_t *id_low, const uint64_t *id_high, uint64_t seed_low,
                 uint64_t seed_high, uint64_t day, bool chance) {
    if (chance) {
        for (int call = 0; call < 4; call++)
            uniforms(x, R_NORMAL + 4 * call, 4, (uint64_t)call, id_low, id_high, seed_low, seed_high, day);
        uniforms(x, R_NORMAL + 16, 2, 4, id_low, id_high, seed_low, seed_high, day);
        for (int pair = 0; pair < 9; pair++)
            normals(x, R_NORMAL + 2 * pair);
        uniforms(x, R_UNIFORM, 4, 5, id_low, id_high, seed_low, seed_high, day);
        uniforms(x, R_UNIFORM + 4, 4, 6, id_low, id_high, seed_low, seed_high, day);
        uniforms(x, R_UNIFORM + 8, 1, 7, id_low, id_high, seed_low, seed_high, day);
    } else {
        for (int row = R_NORMAL; row < R_NORMAL + 18; row++)
            EACH_LANE x[row * R_STRIDE + j] = 0.0;
        for (int row = R_UNIFORM; row < R_UNIFORM + 9; row++)
            EACH_LANE x[row * R_STRIDE + j] = 1.0;
    }
}

/* -- doses, lapse, visit ------------------------------------------------------------------------------------------- */

INLINE double relax(double x, double target, double decay) { return target + (x - target) * decay; }

INLINE bool prescribed(double *restrict x, int j, int k, double alive, bool frozen, double *share) {
    double dose = (frozen ? STATE(HELD + k) : PARAM(DOSE + k)) * alive;
    double before = STATE(PRESCRIBED + k), last = STATE(BEFORE_CUT + k);
    bool cut = dose < before;
    double part = (before - dose) / PARAM(DOSE0 + k);
    STATE(BEFORE_CUT + k) = cut ? before : last;
    STATE(PRESCRIBED + k) = dose;
    *share = cut ? part : 0.0;
    return cut;
}

INLINE bool taken(double *restrict x, coefficients c, int j, int k, bool lapse, bool is_more, bool is_previous) {
    double dose = STATE(PRESCRIBED + k), base = PARAM(DOSE0 + k), previous = STATE(BEFORE_CUT + k);
    double to = is_previous ? previous : base;
    to = is_more ? c->lapse_more_dose * base : to;
    bool above = lapse & (to > dose);
    DAY(TAKEN + k) = above ? to : dose;
    return above;
}

INLINE void deliver(double *restrict x, int j, int k, bool due, double kept, double in_care) {
    double given = PARAM(PLANNED + k) * kept, before = STATE(DELIVERED + k);
    STATE(DELIVERED + k) = (due ? given : before) * in_care;
}

INLINE void doses(double *restrict x, coefficients c, double day) {
    EACH_LANE {
        double alive = STATE(ALIVE), share0, share1, share2;
        bool frozen = STATE(FROZEN) > 0.0;
        bool cut0 = prescribed(x, j, 0, alive, frozen, &share0);
        bool cut1 = prescribed(x, j, 1, alive, frozen, &share1);
        bool cut2 = prescribed(x, j, 2, alive, frozen, &share2);
        double share = share0 > share1 ? share0 : share1;
        share = share > share2 ? share : share2;
        STATE(V) = STATE(V) * c->decay_V + share;
        double last = STATE(LAST_CUT), announced = PARAM(ANNOUNCED);
        last = cut0 ? 0.0 : last;
        last = cut1 ? 1.0 : last;
        last = cut2 ? 2.0 : last;
        STATE(LAST_CUT) = last;
        DAY(CUT) = (cut0 | cut1) | cut2 ? announced : 0.0;
    }
    double previous_share = c->lapse_previous / (1.0 - c->lapse_more);
    EACH_LANE {
        double left = STATE(LAPSE_DAYS_LEFT);
        double clustered = left > 0.0 ? 1.0 : 0.0;
        double h = exp_(PARAM(HAZARD + 2) + c->lapse_c * STATE(C) + c->lapse_w * (STATE(W_ALL) - PARAM(W_ALL0)) +
                        c->lapse_cluster * clustered);
        double p = one_minus_exp(h) * STATE(ALIVE), u = DAY(U_LAPSE), more = PARAM(MORE_SHARE);
        bool lapse = u < p;
        bool is_more = u < p * more;
        bool is_previous = u < p * (more + (1.0 - more) * previous_share);
        bool above0 = taken(x, c, j, 0, lapse, is_more, is_previous);
        bool above1 = taken(x, c, j, 1, lapse, is_more, is_previous);
        bool above2 = taken(x, c, j, 2, lapse, is_more, is_previous);
        bool above = (above0 | above1) | above2;
        SUM(LAPSES) += above ? 1.0 : 0.0;
        double fewer = left - 1.0;
        fewer = fewer > 0.0 ? fewer : 0.0;
        STATE(LAPSE_DAYS_LEFT) = above ? c->lapse_cluster_days : fewer;
    }
    EACH_LANE {
        double in_care = STATE(IN_CARE) * STATE(ALIVE), every = PARAM(VISIT_EVERY), before = STATE(MISSED_VISIT);
        double turns = (day - 1.0) / (every > 0.0 ? every : 1.0);
        bool due = ((floor(turns) == turns) & (every > 0.0)) & (in_care > 0.0);
        double odds = exp_(PARAM(NOSHOW_FIXED) + c->noshow_missed * before - c->noshow_n * STATE(N));
        double missed = DAY(U_VISIT) < odds / (1.0 + odds) ? 1.0 : 0.0;
        STATE(MISSED_VISIT) = due ? missed : before;
        double kept = 1.0 - missed;
        SUM(VISITS_PLANNED) += due ? 1.0 : 0.0;
        SUM(VISITS_KEPT) += due ? kept : 0.0;
        deliver(x, j, 0, due, kept, in_care);
        deliver(x, j, 1, due, kept, in_care);
        deliver(x, j, 2, due, kept, in_care);
        deliver(x, j, 3, due, kept, in_care);
        deliver(x, j, 4, due, kept, in_care);
        deliver(x, j, 5, due, kept, in_care);
    }
}

/* -- section 1: medicines ------------------------------------------------------------------------------------------ */

INLINE double pos(double x) { return 0.5 * (x + sqrt(x * x + 1e-6)); }

INLINE double effect(double level, double shape, double ec50) { return level * shape / (level * shape + ec50); }

INLINE void medicine(double *restrict x, coefficients c, int k) {
    EACH_LANE {
        double g = relax(STATE(G + k), DAY(TAKEN + k), PARAM(DECAY_G + k)), ec50 = PARAM(EC50 + k);
        double e1 = effect(g, PARAM(SHAPE + 4 * k), ec50), e2 = effect(g, PARAM(SHAPE + 4 * k + 1), ec50);
        double e3 = effect(g, PARAM(SHAPE + 4 * k + 2), ec50), e4 = effect(g, PARAM(SHAPE + 4 * k + 3), ec50);
        double e = 0.25 * (e1 + e2 + e3 + e4);
        double f = STATE(F + k), slow = STATE(L + k), omega = PARAM(OMEGA + k);
        double expected = omega * f + (1.0 - omega) * slow;
        double missing = 0.25 * (pos(expected - e1 - c->delta) + pos(expected - e2 - c->delta) +
                                 pos(expected - e3 - c->delta) + pos(expected - e4 - c->delta));
        double drive = PARAM(SIGMA + k) * (1.0 - PARAM(ADJUNCT + k)) * missing;
        double power = drive * sqrt(drive);
        STATE(G + k) = g;
        STATE(E + k) = e;
        STATE(W + k) = relax(STATE(W + k), power / (1.0 + power), c->decay_s);
        STATE(F + k) = relax(f, e, PARAM(DECAY_F + k));
        STATE(L + k) = relax(slow, e, PARAM(DECAY_L + k));
        STATE(A + k) = relax(STATE(A + k), e, c->decay_A);
    }
}

/* -- section 2: the person ----------------------------------------------------------------------------------------- */

INLINE double lost_relief(const double *restrict x, int j, int k) {
    return -(PARAM(ALPHA + k) * ((STATE(E + k) - STATE(A + k)) - PARAM(MARGIN0 + k)) +
             PARAM(B + k) * (STATE(L + k) / PARAM(L0 + k) - 1.0));
}

INLINE void person(double *restrict x, coefficients c) {
    for (int k = 0; k < 6; k++)
        EACH_LANE STATE(K + k) = relax(STATE(K + k), STATE(DELIVERED + k), c->decay_K);
    EACH_LANE {
        STATE(R) = relax(STATE(R), STATE(E), c->decay_R);
        double w1 = STATE(W), w2 = STATE(W + 1), w3 = STATE(W + 2);
        double overall = 1.0 - (1.0 - w1) * (1.0 - w2) * (1.0 - w3);
        STATE(W_ALL) = overall;
        double w_bar = overall - PARAM(W_ALL0);
        double v1 = w1 - PARAM(W0), v2 = w2 - PARAM(W0 + 1), v3 = w3 - PARAM(W0 + 2);
        double reaction = STATE(X) * c->decay_X + PARAM(XI) * DAY(CUT);
        STATE(X) = reaction;
        double k_pt = STATE(K + 2), k_psy = STATE(K + 3), k_nurse = STATE(K + 4);
        double lost = lost_relief(x, j, 0) + lost_relief(x, j, 1) + lost_relief(x, j, 2);
        double p0 = PARAM(P0), m0 = PARAM(M0), i0 = PARAM(I0);

        double pain_load = c->p_opioid * v1 + c->p_benzodiazepine * v2 + c->p_gabapentinoid * v3;
        double pain = relax(STATE(P),
                            p0 + lost + pain_load + c->pain_from_distress * (STATE(M) - m0) +
                                c->pain_from_insomnia * (STATE(I) - i0) - c->pain_from_pt * k_pt,
                            c->decay_P);
        double p_bar = pain - p0;

        double distress_load = c->m_opioid * v1 + c->m_benzodiazepine * v2 + c->m_gabapentinoid * v3;
        double distress = relax(STATE(M),
                                m0 + distress_load + c->distress_from_pain * p_bar +
                                    c->distress_from_insomnia * (STATE(I) - i0) +
                                    c->distress_from_reaction * reaction - c->distress_from_psychologist * k_psy,
                                c->decay_M);
        double m_bar = distress - m0;

        double insomnia_load = c->i_opioid * v1 + c->i_benzodiazepine * v2 + c->i_gabapentinoid * v3;
        double insomnia = relax(STATE(I),
                                i0 + insomnia_load + c->insomnia_from_distress * m_bar +
                                    c->insomnia_from_pain * p_bar - c->insomnia_from_psychologist * k_psy,
                                c->decay_I);
        STATE(P) = pain;
        STATE(M) = distress;
        STATE(I) = insomnia;
        STATE(U) = relax(STATE(U),
                         PARAM(U0) - c->function_from_pain * p_bar - c->function_from_distress * m_bar -
                             c->function_from_insomnia * (insomnia - i0) - c->function_from_withdrawal * w_bar +
                             c->function_from_pt * k_pt,
                         c->decay_U);
        STATE(N) = relax(STATE(N),
                         PARAM(N0) - c->engagement_from_withdrawal * w_bar - c->engagement_from_distress * m_bar +
                             c->engagement_from_nurse * k_nurse,
                         c->decay_N);
        STATE(C) = relax(STATE(C),
                         PARAM(C0) + c->craving_from_withdrawal * w_bar + c->craving_from_distress * m_bar +
                             c->craving_from_pain * p_bar,
                         c->decay_C);
    }
}

/* -- section 3: events --------------------------------------------------------------------------------------------- */

INLINE double recent_weight(double v, double half) { return v * half / (v + half); }

INLINE void leave_or_return(double *restrict x, coefficients c, double day) {
    EACH_LANE {
        double w_bar = STATE(W_ALL) - PARAM(W_ALL0), m_bar = STATE(M) - PARAM(M0), p_bar = STATE(P) - PARAM(P0);
        bool alive = STATE(ALIVE) > 0.0;
        double frozen_before = STATE(FROZEN), in_care = STATE(IN_CARE);
        double d0 = STATE(PRESCRIBED), d1 = STATE(PRESCRIBED + 1), d2 = STATE(PRESCRIBED + 2);
        double base0 = PARAM(DOSE0), base1 = PARAM(DOSE0 + 1), base2 = PARAM(DOSE0 + 2);
        double h = exp_(PARAM(HAZARD) + c->dropout_w * w_bar + c->dropout_m * m_bar - c->dropout_n * STATE(N)
                        + c->dropout_imposed * PARAM(IMPOSED) * recent_weight(STATE(V), c->v_half));
        bool leaves = (DAY(U_DROPOUT) < one_minus_exp(h)) & (in_care > 0.0) & alive;
        h = exp_(PARAM(HAZARD + 1) + c->return_w * w_bar + c->return_m * m_bar + c->return_p * p_bar);
        bool below = ((d0 < base0) | (d1 < base1)) | (d2 < base2);
        bool returns = (DAY(U_RETURN) < one_minus_exp(h)) & below & alive & (frozen_before == 0.0);
        double back = returns ? c->return_share : 0.0;
        bool stays = leaves | returns;
        bool freezes = stays & (frozen_before == 0.0);
        double old0 = STATE(HELD), old1 = STATE(HELD + 1), old2 = STATE(HELD + 2);
        STATE(HELD) = freezes ? d0 + back * (base0 - d0) : old0;
        STATE(HELD + 1) = freezes ? d1 + back * (base1 - d1) : old1;
        STATE(HELD + 2) = freezes ? d2 + back * (base2 - d2) : old2;
        STATE(FROZEN) = stays ? 1.0 : frozen_before;
        STATE(IN_CARE) = leaves ? 0.0 : in_care;
        double dropout_day = STATE(DROPOUT_DAY), return_day = STATE(RETURN_DAY), stop_day = STATE(STOP_DAY);
        STATE(DROPOUT_DAY) = leaves ? day : dropout_day;
        STATE(RETURN_DAY) = returns ? day : return_day;
        double target = PARAM(TARGET);
        double d = target == 0.0 ? d0 : d1;
        d = target == 2.0 ? d2 : d;
        bool stopped = (d == 0.0) & (stop_day == 0.0) & alive;
        STATE(STOP_DAY) = stopped ? day : stop_day;
        SUM(SUM_PRESCRIBED) += d;
    }
}

INLINE void harms(double *restrict x, coefficients c, double day) {
    double recent = c->causal_share * c->crisis_v;
    EACH_LANE {
        double w_bar = STATE(W_ALL) - PARAM(W_ALL0), m_bar = STATE(M) - PARAM(M0), p_bar = STATE(P) - PARAM(P0);
        double living = STATE(ALIVE);
        double h = exp_(PARAM(HAZARD + 3) + c->crisis_m * m_bar + c->crisis_w * w_bar
                        + recent * recent_weight(STATE(V), c->v_half));
        double p_crisis = one_minus_exp(h) * living, u_crisis = DAY(U_CRISIS);
        bool crisis = u_crisis < p_crisis;
        SUM(CRISES) += crisis ? 1.0 : 0.0;
        SUM(ATTEMPTS) += u_crisis < p_crisis * c->crisis_suicidal ? 1.0 : 0.0;
        bool suicide = u_crisis < p_crisis * c->crisis_fatal;
        SUM(SUICIDE_DEATHS) += suicide ? 1.0 : 0.0;
        double first = SUM(FIRST_CRISIS);
        SUM(FIRST_CRISIS) = crisis & (first == 0.0) ? day : first;

        double by_dose = exp_(PARAM(HAZARD + 4) +
                              c->causal_share * c->overdose_dose * (sqrt(DAY(TAKEN)) * PARAM(RISK_DOSE)));
        double excess = pos(STATE(E) + c->excess_benzodiazepine * STATE(E + 1) +
                            c->excess_gabapentinoid * STATE(E + 2) + PARAM(APNOEA) - STATE(R));
        h = by_dose * exp_(c->overdose_excess * excess);
        SUM(HAZARD_DOSE) += by_dose * living;
        SUM(HAZARD_EXCESS) += (h - by_dose) * living;
        double p_overdose = one_minus_exp(h) * living, u_overdose = DAY(U_OVERDOSE);
        bool overdose = u_overdose < p_overdose;
        SUM(OVERDOSES) += overdose ? 1.0 : 0.0;
        first = SUM(FIRST_OVERDOSE);
        SUM(FIRST_OVERDOSE) = overdose & (first == 0.0) ? day : first;
        bool killed = u_overdose < p_overdose * PARAM(FATAL);
        SUM(OVERDOSE_DEATHS) += killed ? 1.0 : 0.0;

        h = exp_(PARAM(HAZARD + 5) + c->seizure_w * STATE(W + 1) + c->seizure_g * STATE(W + 2) * PARAM(E0 + 2));
        SUM(SEIZURES) += DAY(U_SEIZURE) < one_minus_exp(h) * living ? 1.0 : 0.0;

        double h_other = exp_(PARAM(HAZARD + 6) + c->urgent_p * p_bar + c->urgent_m * m_bar);
        double h_visit = exp_(PARAM(HAZARD + 7) + c->visit_w * STATE(W_ALL));
        double u_urgent = DAY(U_URGENT);
        bool urgent = u_urgent < one_minus_exp(h_other + h_visit) * living;
        SUM(URGENT) += urgent ? 1.0 : 0.0;
        SUM(WITHDRAWAL_VISITS) += u_urgent < one_minus_exp(h_visit) * living ? 1.0 : 0.0;
        first = SUM(FIRST_URGENT);
        SUM(FIRST_URGENT) = urgent & (first == 0.0) ? day : first;

        SUM(DAYS) += living;
        SUM(IN_CARE_DAYS) += living * STATE(IN_CARE);
        bool dies = suicide | killed;
        double death_day = STATE(DEATH_DAY);
        STATE(DEATH_DAY) = dies ? day : death_day;
        STATE(ALIVE) = dies ? 0.0 : living;
    }
}

/* -- section 4: reports -------------------------------------------------------------------------------------------- */

INLINE double rounded(double value, double low, double high) {
    value = value < low ? low : value;
    value = value > high ? high : value;
    return floor(value + 0.5);
}

/* Noise of stream k, whose constants have the instrument in their names. */
#define NOISE_OF(k, instrument)                                                                                        \
    (STATE(SLOW + k) = STATE(SLOW + k) * DECAY_##instrument + INNOVATION_##instrument * DAY(NORMAL + 2 + 2 * k),       \
     PARAM(NOISE) * (c->white_##instrument * (OWN_##instrument * DAY(NORMAL + 1 + 2 * k) +                                \
                                              SHARED_##instrument * DAY(NORMAL)) +                                     \
                     c->slow_##instrument * STATE(SLOW + k)))

INLINE void reports_of_day(double *restrict x, coefficients c, double day) {
    double week = day - 7.0 * floor(day / 7.0);
    double weekend = week >= 5.0 ? 1.0 : 0.0;
    EACH_LANE {
        double every = PARAM(CHECKIN_EVERY), before = STATE(MISSED), m_bar = STATE(M) - PARAM(M0);
        double turns = day / (every > 0.0 ? every : 1.0);
        bool due = ((floor(turns) == turns) & (every > 0.0)) & (STATE(IN_CARE) * STATE(ALIVE) > 0.0);
        double odds = exp_(PARAM(MISS_FIXED) + c->miss_missed * before + c->miss_bad * DAY(NORMAL) + c->miss_m * m_bar);
        bool missed = DAY(U_MISS) < odds / (1.0 + odds);
        bool came = due & !missed;
        STATE(MISSED) = due ? (missed ? 1.0 : 0.0) : before;
        SUM(CHECKINS_DUE) += due ? 1.0 : 0.0;
        SUM(CHECKINS_DONE) += came ? 1.0 : 0.0;

        double noise = NOISE_OF(0, sows_gossop);
        double value = exp_(log_(1.0 + (PARAM(S0) + c->sows_w * STATE(W) + STATE(X))) + noise) - 1.0;
        value = rounded(value, 0.0, 30.0);
        DAY(REPORT) = came ? value : NAN;

        noise = NOISE_OF(1, pain_nrs);
        value = rounded(STATE(P) + c->pain_report_x * STATE(X) + noise, 0.0, 10.0);
        DAY(REPORT + 1) = came ? value : NAN;

        noise = NOISE_OF(2, mood_item);
        value = rounded(10.0 * STATE(M) + noise, 0.0, 10.0);
        DAY(REPORT + 2) = came ? value : NAN;

        noise = NOISE_OF(3, sleep_item);
        value = rounded(10.0 * STATE(I) + noise, 0.0, 10.0);
        DAY(REPORT + 3) = came ? value : NAN;
        DAY(CUT) = came ? 1.0 : 0.0;
    }
    EACH_LANE {
        bool came = DAY(CUT) > 0.0;
        double noise = NOISE_OF(4, function);
        double value = rounded(STATE(U) + noise, 0.0, 100.0);
        DAY(REPORT + 4) = came ? value : NAN;

        noise = NOISE_OF(5, withdrawal_item);
        double last = STATE(LAST_CUT), w0 = STATE(W), w1 = STATE(W + 1), w2 = STATE(W + 2);
        double w = last == 1.0 ? w1 : w0;
        w = last == 2.0 ? w2 : w;
        value = rounded(exp_(log_(1.0 + c->item_0 + 10.0 * w) + noise) - 1.0, 0.0, 10.0);
        DAY(REPORT + 5) = came ? value : NAN;

        noise = NOISE_OF(6, steps);
        double p_bar = STATE(P) - PARAM(P0), u_bar = STATE(U) - PARAM(U0), i_bar = STATE(I) - PARAM(I0);
        double log_steps = PARAM(STEPS0) + c->steps_u * u_bar - c->steps_i * i_bar - c->steps_p * p_bar +
                           c->steps_weekend * weekend;
        value = rounded(exp_(log_steps + noise), 0.0, 50000.0);
        DAY(REPORT + 6) = came ? value : NAN;

        noise = NOISE_OF(7, sleep_hours);
        double hours = c->hours_0 - c->hours_i * i_bar + c->hours_weekend * weekend + noise;
        value = 0.1 * rounded(10.0 * hours, 0.0, 240.0);
        DAY(REPORT + 7) = came ? value : NAN;
    }
}

/* -- sums ---------------------------------------------------------------------------------------------------------- */

INLINE void add_up(double *restrict x, coefficients c, double day) {
    EACH_LANE {
        double death_day = STATE(DEATH_DAY), alive = STATE(ALIVE), w = STATE(W_ALL), most = SUM(MAX_W);
        bool lives = (alive > 0.0) | (death_day == day);
        double lived = lives ? 1.0 : 0.0;
        SUM(SUM_DOSE) += DAY(TAKEN) * lived;
        SUM(SUM_DOSE + 1) += DAY(TAKEN + 1) * lived;
        SUM(SUM_DOSE + 2) += DAY(TAKEN + 2) * lived;
        SUM(SUM_W_CLASS) += STATE(W) * lived;
        SUM(SUM_W_CLASS + 1) += STATE(W + 1) * lived;
        SUM(SUM_W_CLASS + 2) += STATE(W + 2) * lived;
        SUM(SUM_W) += w * lived;
        SUM(OVER_LIMIT) += w > c->limit_w ? lived : 0.0;
        SUM(MAX_W) = (w > most) & lives ? w : most;
    }
    EACH_LANE {
        double death_day = STATE(DEATH_DAY), alive = STATE(ALIVE);
        double lived = (alive > 0.0) | (death_day == day) ? 1.0 : 0.0;
        double sows = PARAM(S0) + c->sows_w * STATE(W) + STATE(X);
        SUM(SUM_X) += STATE(X) * lived;
        SUM(SUM_SOWS) += sows * lived;
        SUM(SUM_LOG_SOWS) += log_(1.0 + sows) * lived;
        SUM(SUM_P) += STATE(P) * lived;
        SUM(SUM_M) += STATE(M) * lived;
        SUM(SUM_I) += STATE(I) * lived;
        SUM(SUM_U) += STATE(U) * lived;
    }
}

/* -- the block ----------------------------------------------------------------------------------------------------- */

INLINE void copy_rows(double *restrict to, long to_stride, const double *restrict from, long from_stride, int rows) {
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < R_LANES; j++)
            to[r * to_stride + j] = from[r * from_stride + j];
}

void advance(double *restrict state, double *restrict sums, const double *restrict params,
             const struct coefficients *restrict every_tile, float *restrict reports, const uint64_t *restrict id_low,
             const uint64_t *restrict id_high, uint64_t seed_low, uint64_t seed_high, int64_t n_tiles,
             int64_t first_day, int64_t last_day, int64_t chance, int64_t record) {
    _Alignas(64) double x[R_N_ROWS * R_STRIDE];
    _Alignas(64) uint64_t low[R_LANES], high[R_LANES];
    int64_t n_days = last_day - first_day + 1;
    for (int64_t t = 0; t < n_tiles; t++) {
        double *tile_state = state + t * R_N_STATE * R_LANES, *tile_sums = sums + t * R_N_SUMS * R_LANES;
        copy_rows(x + R_STATE * R_STRIDE, R_STRIDE, tile_state, R_LANES, R_N_STATE);
        copy_rows(x + R_SUMS * R_STRIDE, R_STRIDE, tile_sums, R_LANES, R_N_SUMS);
        copy_rows(x + R_PARAM * R_STRIDE, R_STRIDE, params + t * R_N_PARAM * R_LANES, R_LANES, R_N_PARAM);
        memcpy(low, id_low + t * R_LANES, sizeof low);
        memcpy(high, id_high + t * R_LANES, sizeof high);
        struct coefficients c = every_tile[t];
        for (int64_t day = first_day; day <= last_day; day++) {
            draw(x, low, high, seed_low, seed_high, (uint64_t)day, chance);
            doses(x, &c, (double)day);
            medicine(x, &c, 0);
            medicine(x, &c, 1);
            medicine(x, &c, 2);
            person(x, &c);
            leave_or_return(x, &c, (double)day);
            harms(x, &c, (double)day);
            reports_of_day(x, &c, (double)day);
            add_up(x, &c, (double)day);
            if (record) {
                float *today = reports + (t * n_days + day - first_day) * R_N_REPORTS * R_LANES;
                for (int r = 0; r < R_N_REPORTS; r++)
                    EACH_LANE today[r * R_LANES + j] = (float)x[(R_REPORT + r) * R_STRIDE + j];
            }
        }
        copy_rows(tile_state, R_LANES, x + R_STATE * R_STRIDE, R_STRIDE, R_N_STATE);
        copy_rows(tile_sums, R_LANES, x + R_SUMS * R_STRIDE, R_STRIDE, R_N_SUMS);
    }
}
