"""Runs the fake EHR on this machine: ``python -m tests.serve.fake_ehr [PORT]``."""

import sys
from datetime import date

import uvicorn

from tests.serve.fake_ehr.server import FakeEhr, fake_ehr_application

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
EHR = FakeEhr(f"http://127.0.0.1:{PORT}/fhir", date.today())
print(f"fake EHR: http://127.0.0.1:{PORT} (start: taper-sim serve --fhir-server {EHR.base})")
uvicorn.run(fake_ehr_application(EHR), host="127.0.0.1", port=PORT, log_level="error")
