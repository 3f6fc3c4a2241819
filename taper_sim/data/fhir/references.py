"""Who refers to whom in a bundle: by fullUrl, by ``Type/id``, by the end of an absolute URL. Imports ``data``."""

from collections.abc import Mapping
from typing import Any

from taper_sim.data.fhir.json_input import word


def names_of(entry: Mapping[str, Any], resource: Mapping[str, Any]) -> frozenset[str]:
    """Names by which other resources may call that of an entry."""
    kind, own, url = word(resource.get("resourceType")), word(resource.get("id")), word(entry.get("fullUrl"))
    found = {f"{kind}/{own}"} if own else set()
    if url:
        found.add(url)
    if url.startswith(("http://", "https://")) and url.split("/")[-2:-1] == [kind]:
        found.add("/".join(url.split("/")[-2:]))
    return frozenset(found)


def found_by[Named](reference: str, known: Mapping[str, Named]) -> Named | None:
    """What a reference names, whatever its version; None if it is not known."""
    bare = reference.split("/_history/", 1)[0]
    if bare in known:
        return known[bare]
    tail = "/".join(bare.split("/")[-2:])
    return known.get(tail) if bare.startswith(("http://", "https://")) else None


def id_of(reference: str, kind: str) -> str:
    """The id in a reference to a resource of this kind, such as ``Patient/7``; empty if it holds none."""
    steps = reference.split("/_history/", 1)[0].split("/")
    return steps[-1] if len(steps) > 1 and steps[-2] == kind else ""
