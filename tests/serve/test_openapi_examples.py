"""Generated requests against the description of the JSON API: no server error, and answers as they are described."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI, Request
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from taper_sim.data.doses import read_histories
from taper_sim.data.fhir import read_bundle
from taper_sim.recommend.own_plan import Weighed
from taper_sim.serve.doors import sent_records
from taper_sim.serve.doors.mounting import mount_doors
from taper_sim.serve.patient_store import PatientStore
from taper_sim.serve.reckoner import Reckoner
from tests.serve.test_served_pages import answer_with

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The API, whose records are read and whose answer is a stored one."""

    def read_only(records: Path, doses: Path | None, **_: Any) -> list[Weighed]:
        read_bundle(records) if doses is None else read_histories(records, doses)
        return [Weighed(answer_with())]

    app = FastAPI()
    store = PatientStore(tmp_path_factory.mktemp("described"), is_shared=True)
    mount_doors(app, store, Reckoner(), lambda: date(2026, 4, 2))

    @app.middleware("http")
    async def of_this_machine(request: Request, answer: Any) -> Any:
        request.scope["client"] = ("127.0.0.1", 50_000)
        return await answer(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sent_records, "weigh_from_files", read_only)
        yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)


def test_a_generated_request_is_answered_as_described(described: Any) -> None:
    for result in described.get_all_operations():

        @given(case=result.ok().as_strategy())
        @settings(
            max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        def answered(case: Any) -> None:
            case.call_and_validate(checks=CHECKS)

        answered()
