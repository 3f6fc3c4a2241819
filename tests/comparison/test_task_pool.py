"""Independent tasks: in this process, in several, and what cannot be sent to one."""

from dataclasses import dataclass

import pytest

from taper_sim.comparison.task_pool import MAX_PROCESSES, task_pool
from taper_sim.data.problems import InputError


@dataclass(frozen=True)
class Square:
    """A task."""

    number: int

    def run(self) -> int:
        """Its square."""
        return self.number**2


@dataclass(frozen=True)
class Holder:
    """A task that holds what cannot be sent."""

    held: object

    def run(self) -> None:
        """Nothing."""


def test_every_task_has_its_key_and_tasks_are_taken_only_as_needed():
    taken = []

    def tasks():
        for k in range(3):
            taken.append(k)
            yield k, Square(k)

    with task_pool(1) as finish:
        results = finish(tasks())
        assert next(results) == (0, 0) and taken == [0]
        assert dict(results) == {1: 1, 2: 4}


def test_a_task_that_cannot_be_sent_is_refused_in_one_line():
    with task_pool(2) as finish, pytest.raises(InputError, match="a policy that cannot be sent"):
        list(finish([(0, Holder(lambda: 0))]))


@pytest.mark.parametrize("workers", [0, -1, MAX_PROCESSES + 1])
def test_an_impossible_number_of_processes_is_refused(workers):
    with pytest.raises(InputError, match="a number of processes, 1 to"):
        task_pool(workers)
