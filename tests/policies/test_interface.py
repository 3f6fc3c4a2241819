"""What the base class and the registry promise to a policy of one's own."""

from dataclasses import dataclass

import numpy as np
import pytest

from taper_sim.policies import calls, interface
from taper_sim.policies.catalogue import SHIPPED, build_policy
from taper_sim.policies.interface import Order, Policy, register, registered
from taper_sim.policies.modified import Added
from taper_sim.scenario import all_policies


class Hold(Policy):
    name = "hold_it()"

    def decision_days(self, n_days):
        return [1]

    def start(self, patients):
        return None

    def decide(self, memory, observation):
        return Order(observation.dose_fraction)


@pytest.fixture
def own_names(monkeypatch):
    """A registry of one's own, set aside after the test."""
    monkeypatch.setattr(interface, "_REGISTRY", {})


def test_a_policy_that_sets_nothing_sees_nothing_brings_nothing_and_has_no_rule():
    policy = Hold()
    assert (policy.sees_reports, policy.sees_state, policy.holds, policy.waits) == (False,) * 4
    assert policy.rules_for == frozenset()
    assert policy.planned_care is None and policy.modality is None


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("sees_report", "sees_reports"),
        ("see_state", "sees_state"),
        ("hold", "holds"),
        ("rule_for", "rules_for"),
        ("planed_care", "planned_care"),
        ("modalty", "modality"),
    ],
)
def test_a_misspelt_attribute_is_refused_and_the_one_that_was_meant_is_named(misspelt, meant):
    with pytest.raises(TypeError, match=f"^policy MyPolicy has `{misspelt}`; did you mean `{meant}`\\?$"):
        type("MyPolicy", (Hold,), {misspelt: True})


def test_attributes_fields_and_methods_of_ones_own_are_not_taken_for_misspellings():
    @dataclass(frozen=True)
    class MyPolicy(Hold):
        hold: bool = True
        rules = ("a", "b")
        state = None

        def decided(self):
            return 1

        @property
        def sees_report(self):
            return "a property is meant"

    assert MyPolicy(hold=False).rules == ("a", "b")


@pytest.mark.parametrize("missing", ["name", "decision_days", "start", "decide"])
def test_a_policy_without_name_or_one_of_the_three_methods_cannot_be_made(missing):
    body = {name: value for name, value in vars(Hold).items() if not name.startswith("_") and name != missing}
    with pytest.raises(TypeError, match=f"abstract .*'{missing}'"):
        type("MyPolicy", (Policy,), body)()


def test_a_class_that_does_not_derive_from_policy_is_not_registered(own_names):
    class Loose:
        name = "loose()"

    with pytest.raises(TypeError, match=r"class Loose\(Policy\)"):
        register("loose")(Loose)


def test_a_function_that_makes_no_policy_is_named_when_its_call_is_built(own_names):
    register("loose")(lambda: 3)
    with pytest.raises(TypeError, match="int is no policy"):
        calls.build("loose()")


def test_a_name_that_is_registered_again_is_replaced_with_a_note(own_names):
    register("mine")(Hold)
    again = type("Hold", (Hold,), {})
    with pytest.warns(UserWarning, match="mine was already registered"):
        register("mine")(again)
    assert registered()["mine"] is again
    assert type(build_policy("mine()", file="test")) is again


def test_the_same_class_registered_twice_needs_no_note(own_names):
    register("mine")(Hold)
    register("mine")(Hold)


def test_a_policy_of_ones_own_may_replace_one_of_the_package_until_it_is_set_aside(own_names, monkeypatch):
    with pytest.warns(UserWarning, match="constant was already registered"):
        register("constant")(Hold)
    assert registered()["constant"] is Hold
    monkeypatch.setattr(interface, "_REGISTRY", {})
    assert registered()["constant"] is SHIPPED["constant"]


def test_the_catalogue_has_every_policy_of_the_package_and_each_derives_from_the_base():
    shipped = {*SHIPPED, "personal", "prior_only", "within_ceiling"}
    assert shipped <= set(registered())
    added = all_policies.build_policy("linear(pct=10, every=28) + within_ceiling()", file="test")
    assert isinstance(added, Policy)
    assert isinstance(all_policies.build_policy("personal()", file="test"), Policy)


def test_a_protocol_in_another_hands_its_attributes_through():
    class Waiting(Hold):
        sees_reports = True
        sees_state = True
        holds = True
        rules_for = frozenset({"pregnancy"})
        planned_care = {"nurse": 1.0}  # noqa: RUF012 - never changed
        modality = "video"

    inner = Waiting()
    policy = Added(inner, "nothing()")
    assert policy.name == "hold_it() + nothing()"
    for attribute in ("sees_reports", "sees_state", "holds", "rules_for", "planned_care", "modality", "waits"):
        assert getattr(policy, attribute) == getattr(inner, attribute), attribute


def test_an_order_is_a_fraction_of_the_dose():
    with pytest.raises(TypeError, match="share"):
        Order(share=np.ones((2, 3)))
