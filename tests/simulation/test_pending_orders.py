"""An order is checked once, where it is taken; whose order waits goes on as before."""

import numpy as np
import pytest

from taper_sim.data.problems import InputError
from taper_sim.policies.interface import Order, Policy
from taper_sim.simulation.days import Days
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.layout import CarePlan
from taper_sim.simulation.pending_orders import PendingOrders
from tests.conftest import SEED, opioid_cohort

N = 5


class Orders(Policy):
    """Orders what it is given, on days that it is given."""

    name = "mine()"

    def __init__(self, order, days=(1, 8)):
        self.order, self.days = order, days

    def decision_days(self, n_days):
        return self.days

    def start(self, patients):
        return None

    def decide(self, memory, observation):
        return self.order


def live(policy):
    days = Days(opioid_cohort(N), policy, from_prior(SEED, 1), SEED, 14, CarePlan({}))
    for first, last in days.blocks:
        days.decide(first)
        days.live(first, last)
    return days


def whole():
    return np.ones((N, 3))


def with_value(value):
    fraction = whole()
    fraction[2, 1] = value
    return fraction


@pytest.mark.parametrize(
    ("order", "line"),
    [
        (Order(np.ones(N)), f"policy: mine(), day 1: given dose_fraction of shape ({N},); allowed: shape ({N}, 3)"),
        (Order(np.ones((3, N))), f"dose_fraction of shape (3, {N}); allowed: shape ({N}, 3) (patients, classes)"),
        (Order(with_value(np.nan)), "day 1: given dose_fraction nan for row 2, benzodiazepine"),
        (Order(with_value(-0.1)), "day 1: given dose_fraction -0.1 for row 2, benzodiazepine"),
        (Order(with_value(np.inf)), "dose_fraction inf for row 2"),
        (Order(whole(), adjunct=np.ones((N, 1))), f"adjunct of shape ({N}, 1)"),
        (Order(whole(), adjunct=np.full(N, np.nan)), "adjunct nan for row 0"),
        (Order(whole(), checkin_every_d=-np.ones(N)), "checkin_every_d -1 for row 0"),
        (Order(whole(), visit_every_d=np.ones(2)), "visit_every_d of shape (2,)"),
        (None, "decide() returned NoneType"),
    ],
)
def test_a_wrong_order_names_policy_day_and_what_is_wrong(order, line):
    with pytest.raises(InputError) as error:
        live(Orders(order))
    text = str(error.value)
    assert all(part in text for part in line.split("; allowed: ")), text
    assert "mine(), day 1" in text


def test_everything_that_is_wrong_with_an_order_is_named_at_once():
    with pytest.raises(InputError) as error:
        live(Orders(Order(np.ones(N), adjunct=np.ones(2))))
    assert len(error.value.problems) == 2


def test_intervals_may_be_nan_and_a_fraction_may_be_above_one():
    live(Orders(Order(with_value(1.1), checkin_every_d=np.full(N, np.nan))))


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ((1, 8, 8), "day 8 after day 8"),
        ((8, 1), "day 1 after day 8"),
        ((0, 7), "day 0 first"),
        ((1.5, 7), "day 1.5 first"),
    ],
)
def test_days_that_do_not_rise_from_1_are_refused(days, said):
    with pytest.raises(InputError, match=said) as error:
        live(Orders(Order(whole()), days))
    assert "mine()" in str(error.value)


def test_what_does_not_derive_from_policy_is_refused_by_name():
    class Loose:
        name = "loose()"

    with pytest.raises(TypeError, match=r"class Loose\(Policy\)"):
        live(Loose())


def test_a_late_order_is_followed_by_one_step_at_a_time():
    orders = PendingOrders.at_start(opioid_cohort(2))
    nobody, everybody = np.zeros(2, dtype=bool), np.ones(2, dtype=bool)
    for fraction in (0.9, 0.8):
        orders.order(Order(np.full((2, 3), fraction)))
        assert (orders.followed(nobody) == 1.0).all()
    np.testing.assert_allclose(orders.followed(everybody), 0.9)
