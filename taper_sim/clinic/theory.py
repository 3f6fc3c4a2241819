"""Closed forms of queueing theory: M/M/c, M/M/c+M, M/G/1, preemptive priorities. Imports nothing of the package.

The tests compare the simulated queue with them. Rates are per minute, times in minutes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Steady:
    """Steady state of a queue.

    Attributes
    ----------
    p_wait : float
        Probability that an arrival waits.
    wait_min : float
        Mean wait in the queue, minutes, of served and reneging arrivals.
    queue : float
        Mean number of waiting jobs.
    p_abandon : float
        Share of arrivals that renege.
    """

    p_wait: float
    wait_min: float
    queue: float
    p_abandon: float = 0.0


def _stable(load: float, servers: int) -> None:
    if not 0 <= load < servers:
        raise ValueError(f"a load of {load:g} on {servers} servers has no steady state; allowed: below {servers}")


def erlang_c(arrivals: float, service: float, servers: int) -> Steady:
    """M/M/c. Equation: C(c, a), Wq = C / (c mu - lambda). Source: Erlang 1917.

    Parameters
    ----------
    arrivals, service : float
        Rates of arrivals and of one server.
    servers : int

    Raises
    ------
    ValueError
        If the load is not below the number of servers.
    """
    load = arrivals / service
    _stable(load, servers)
    blocked = 1.0
    for k in range(1, servers + 1):  # Erlang B by its recursion
        blocked = load * blocked / (k + load * blocked)
    p_wait = blocked / (1.0 - load / servers * (1.0 - blocked))
    wait = p_wait / (servers * service - arrivals)
    return Steady(p_wait, wait, arrivals * wait)


def erlang_a(arrivals: float, service: float, servers: int, patience: float) -> Steady:
    """M/M/c+M: waiting jobs renege at rate ``patience``. Source: Palm 1957; Garnett, Mandelbaum, Reiman 2002.

    The sum of the stationary probabilities is truncated at a remainder below 1e-15.
    """
    log_p, logs, n = 0.0, [0.0], 0
    largest = 0.0
    while n < servers or log_p > largest - 40.0:
        n += 1
        leaving = min(n, servers) * service + max(n - servers, 0) * patience
        log_p += math.log(arrivals / leaving)
        largest = max(largest, log_p)
        logs.append(log_p)
    p = np.exp(np.array(logs) - largest)
    p /= p.sum()
    number = np.arange(len(p))
    waiting = np.clip(number - servers, 0, None)
    queue = float((p * waiting).sum())
    return Steady(float(p[servers:].sum()), queue / arrivals, queue, patience * queue / arrivals)


def pollaczek_khinchine(arrivals: float, service_mean: float, service_sd: float) -> Steady:
    """M/G/1. Equation: Wq = lambda E[S^2] / (2 (1 - rho)). Source: Pollaczek 1930, Khinchine 1932."""
    load = arrivals * service_mean
    _stable(load, 1)
    wait = arrivals * (service_mean**2 + service_sd**2) / (2.0 * (1.0 - load))
    return Steady(load, wait, arrivals * wait)


def preemptive_resume(
    arrivals: Sequence[float], means: Sequence[float], second_moments: Sequence[float]
) -> tuple[float, ...]:
    """M/G/1 with preemptive-resume priorities: mean minutes in the system.

    Parameters
    ----------
    arrivals, means, second_moments : sequence of float, (n_classes,)
        Rate of arrival, E[S] and E[S^2] of each class, in order of falling priority.

    Returns
    -------
    tuple of float
        Mean time in the system of each class. Equation: T_k = E[S_k] / (1 - s_(k-1)) + R_k / ((1 - s_(k-1)) (1 - s_k)),
        s_k the load of classes 1 to k, R_k = sum_(i <= k) lambda_i E[S_i^2] / 2. Source: Kleinrock 1976, Queueing
        Systems II, chapter 3 (priority queueing).
    """
    times, before, residual = [], 0.0, 0.0
    for rate, mean, second in zip(arrivals, means, second_moments, strict=True):
        load = before + rate * mean
        _stable(load, 1)
        residual += rate * second / 2.0
        times.append(mean / (1.0 - before) + residual / ((1.0 - before) * (1.0 - load)))
        before = load
    return tuple(times)
