"""The one FHIR server that a start names: SMART configuration, token by PKCE, a patient's record. Imports ``data``.

This module alone of the pages contacts another machine, and only addresses of the origin that ``--fhir-server`` names.
OAuth is written out here: a public client needs two requests and one hash, and a library would bring a package of
cryptography that nothing else uses. Source: SMART App Launch 2 (hl7.org/fhir/smart-app-launch).
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import httpx

from taper_sim.data.fhir.json_input import part, parts, word
from taper_sim.data.problems import problem, shown
from taper_sim.serve.page_guard import is_loopback

_TYPES: Final = (
    "MedicationRequest",
    "Observation",
    "Condition",
    "MedicationStatement",
    "MedicationAdministration",
    "QuestionnaireResponse",
)
_OPTIONAL: Final = _TYPES[3:]
"""Types that a server may refuse; the rules of safety need the others."""
SCOPE: Final = " ".join(("launch", *(f"patient/{kind}.read" for kind in ("Patient", *_TYPES))))
_TIMEOUT_S: Final = 20.0
_MOST_PAGES: Final = 50
_MOST_BYTES: Final = 50_000_000
"""Pages of one search, and bytes of one record: limits of a record that can be shown. Assumption A142."""


class FhirServerError(Exception):
    """The server gave no answer that can be used; the message is one line without patient data."""


@dataclass(frozen=True)
class SmartEndpoints:
    """Where a server authorizes and gives tokens."""

    authorize: str
    token: str


@dataclass(frozen=True)
class Pkce:
    """The secret of one launch, and what the server sees of it first (RFC 7636, S256)."""

    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64), repr=False)

    @property
    def challenge(self) -> str:
        """Hash of the secret."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Granted:
    """A token, and the patient of the launch."""

    token: str = field(repr=False)
    patient_id: str


class FhirServer:
    """A FHIR R4 server with SMART launch.

    Parameters
    ----------
    base_url : str
        Https, or http on this machine.
    client_id : str
        As the server knows this program.
    transport : httpx.AsyncBaseTransport, optional
        For tests: answers instead of the network.

    Raises
    ------
    InputError
        For an address that is not one of these.
    """

    def __init__(self, base_url: str, client_id: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.base = base_url.rstrip("/")
        self.client_id = client_id
        self._transport = transport
        try:
            self._origin = _origin(httpx.URL(self.base))
        except (httpx.InvalidURL, ValueError):
            self._origin = ("", "", None)
        scheme, host, _ = self._origin
        if not host or not (scheme == "https" or (scheme == "http" and is_loopback(host))):
            raise problem("--fhir-server", "", base_url, "https://… of a FHIR R4 server, or http on this machine")

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self._transport, timeout=_TIMEOUT_S, trust_env=False)

    def _own(self, address: str, what: str) -> str:
        """An address of this server; raises FhirServerError for any other."""
        try:
            is_own = _origin(httpx.URL(address)) == self._origin
        except (httpx.InvalidURL, ValueError):
            is_own = False
        if not is_own:
            raise FhirServerError(f"{what}: given another server than --fhir-server; allowed: addresses of its origin")
        return address

    async def endpoints(self) -> SmartEndpoints:
        """Endpoints of the server's SMART configuration."""
        async with self._client() as client:
            content = await _json(client, f"{self.base}/.well-known/smart-configuration", {})
        if "S256" not in (content.get("code_challenge_methods_supported") or []):
            raise FhirServerError("smart-configuration: given no S256; allowed: a server that supports PKCE with S256")
        authorize, token = (word(content.get(f"{name}_endpoint")) for name in ("authorization", "token"))
        return SmartEndpoints(self._own(authorize, "authorization_endpoint"), self._own(token, "token_endpoint"))

    def authorize_url(self, endpoints: SmartEndpoints, pkce: Pkce, state: str, launch: str, redirect: str) -> str:
        """Address to which the browser goes for a code."""
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect,
            "scope": SCOPE,
            "state": state,
            "aud": self.base,
            "launch": launch,
            "code_challenge": pkce.challenge,
            "code_challenge_method": "S256",
        }
        return str(httpx.URL(endpoints.authorize).copy_merge_params(query))

    async def granted(self, endpoints: SmartEndpoints, code: str, pkce: Pkce, redirect: str) -> Granted:
        """The token for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "client_id": self.client_id,
            "code_verifier": pkce.verifier,
        }
        async with self._client() as client:
            content = await _json(client, endpoints.token, {}, form)
        token, patient_id = word(content.get("access_token")), word(content.get("patient"))
        if not token or not patient_id:
            raise FhirServerError("token: given no token with a patient; allowed: a launch with a patient in context")
        return Granted(token, patient_id)

    async def record(self, granted: Granted, today: date) -> dict[str, Any]:
        """Everything of the patient that the readers use, as one bundle dated today."""
        headers = {"authorization": f"Bearer {granted.token}"}
        entries: list[dict[str, Any]] = []
        n_bytes = 0
        async with self._client() as client:
            patient = await _json(client, f"{self.base}/Patient/{granted.patient_id}", headers)
            entries.append({"resource": patient})
            for kind in _TYPES:
                address = str(httpx.URL(f"{self.base}/{kind}").copy_merge_params({"patient": granted.patient_id}))
                for _ in range(_MOST_PAGES):
                    page = await _json(client, address, headers, optional=kind in _OPTIONAL)
                    entries += [e for e in parts(page.get("entry")) if part(e, "resource").get("resourceType") == kind]
                    n_bytes += len(str(page))
                    links = [
                        word(link.get("url")) for link in parts(page.get("link")) if link.get("relation") == "next"
                    ]
                    if not links:
                        break
                    address = self._own(links[0], f"{kind}, next page")
                else:
                    raise FhirServerError(f"{kind}: given more than {_MOST_PAGES} pages; allowed: {_MOST_PAGES}")
                if n_bytes > _MOST_BYTES:
                    raise FhirServerError(f"record: given more than {_MOST_BYTES:,} bytes; allowed: a smaller record")
        bundle = {"resourceType": "Bundle", "type": "collection", "timestamp": f"{today}T23:59:59Z"}
        return {**bundle, "entry": entries}


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    port = url.port or {"https": 443, "http": 80}.get(url.scheme)
    return url.scheme, url.host, port


async def _json(
    client: httpx.AsyncClient,
    address: str,
    headers: Mapping[str, str],
    form: Mapping[str, str] | None = None,
    *,
    optional: bool = False,
) -> dict[str, Any]:
    """The JSON object at an address, by POST if there is a form; empty if an optional one is refused."""
    what = httpx.URL(address).path
    wanted = {"accept": "application/fhir+json, application/json", **headers}
    try:
        if form is None:
            response = await client.get(address, headers=wanted)
        else:
            response = await client.post(address, headers=wanted, data=dict(form))
    except httpx.HTTPError as error:
        raise FhirServerError(f"{what}: no answer of the FHIR server ({type(error).__name__})") from None
    if optional and response.status_code in (400, 403, 404):
        return {}
    if response.status_code != httpx.codes.OK:
        raise FhirServerError(f"{what}: given status {response.status_code}; allowed: 200")
    try:
        content = response.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise FhirServerError(f"{what}: given {shown(type(content).__name__)}; allowed: a JSON object")
    return content
