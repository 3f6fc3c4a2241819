"""References between resources of a bundle: by fullUrl, ``Type/id`` or an absolute URL. Imports ``fhir.json_input``."""

from collections.abc import Mapping
from typing import Any

from taper_sim.data.fhir.json_input import word


def references_to(entry: Mapping[str, Any], resource: Mapping[str, Any]) -> frozenset[str]:
    """References by which other resources may refer to the resource of an entry."""
    kind, resource_id, url = word(resource.get("resourceType")), word(resource.get("id")), word(entry.get("fullUrl"))
    references = {f"{kind}/{resource_id}"} if resource_id else set()
    if url:
        references.add(url)
    if url.startswith(("http://", "https://")) and url.split("/")[-2:-1] == [kind]:
        references.add("/".join(url.split("/")[-2:]))
    return frozenset(references)


def resolved[Target](reference: str, targets: Mapping[str, Target]) -> Target | None:
    """The target of a reference, of any version; None if the target is unknown."""
    bare = reference.split("/_history/", 1)[0]
    if bare in targets:
        return targets[bare]
    tail = "/".join(bare.split("/")[-2:])
    return targets.get(tail) if bare.startswith(("http://", "https://")) else None


def id_of(reference: str, kind: str) -> str:
    """The id in a reference to a resource of this kind, such as ``Patient/7``; empty if there is none."""
    segments = reference.split("/_history/", 1)[0].split("/")
    return segments[-1] if len(segments) > 1 and segments[-2] == kind else ""
