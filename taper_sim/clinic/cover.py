"""Cover on a day with illness: which visits colleagues can take over. Imports ``clinic.queue``."""

from collections.abc import Sequence

from taper_sim.clinic.queue import ANYWHERE, Server


class Cover:
    """Minutes of visits that the workers on duty can take over.

    Colleagues of the role offer their whole daytime; covering workers offer the share that is not open to booking.

    Parameters
    ----------
    minutes : sequence of (Server, float, float)
        Each worker's daytime on duty, minutes, and the share that is open to booking.
    """

    def __init__(self, minutes: Sequence[tuple[Server, float, float]]):
        self._servers = [server for server, _, _ in minutes]
        self._daytime = {server.name: time for server, time, _ in minutes}
        self._spare = {server.name: (1.0 - share) * time for server, time, share in minutes}

    def take(self, queue: str, minutes: float, licence: str = ANYWHERE, kind: str = "") -> bool:
        """Whether a worker can take a visit; if so, its minutes are deducted."""
        eligible = [server for server in self._servers if server.may_do(queue, licence, kind)]
        for left, names in (
            (self._daytime, [server.name for server in eligible if server.role == queue]),
            (self._spare, [server.name for server in eligible if server.role != queue]),
        ):
            first = max(names, key=left.__getitem__, default=None)
            if first is not None and minutes <= left[first]:
                left[first] -= minutes
                return True
        return False
