"""The whole catalogue of policies: those of ``policies``, ``safety`` and ``recommend``. Imports these three."""

from taper_sim.policies.catalogue import build_policy, files_named
from taper_sim.policies.guidance import listing
from taper_sim.policies.interface import ship
from taper_sim.recommend.personal_policy import personal, prior_only
from taper_sim.safety.within_ceiling import within_ceiling

__all__ = ["build_policy", "files_named", "listing"]

ship({"personal": personal, "prior_only": prior_only, "within_ceiling": within_ceiling})
