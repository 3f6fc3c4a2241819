"""Starts the server of the pages on this machine. Imports ``pages``, ``doors``; the extra ``serve`` loads only here.

Without accounts the page is for this machine alone: any other address is refused. Without ``--data`` the patients are
kept in a private temporary folder, apart for each browser, which is removed at the end.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from taper_sim.data.problems import problem
from taper_sim.run_folder import check_writable

NEEDED: Final = ("fastapi", "httpx", "uvicorn", "python_multipart")
"""Packages of the extra ``serve``."""
_LAST_PORT: Final = 65535


def check_extra() -> None:
    """Raise an InputError with one line if the packages of the extra are missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise problem("serve", "", f"no package {', '.join(missing)}", "the extra: pip install 'taper-sim[serve]'")


def serve(
    host: str,
    port: int,
    data: Path | None,
    show: Callable[[str], None],
    fhir_server: str | None = None,
    client_id: str = "taper-sim",
) -> None:
    """Serve the pages until the process is interrupted.

    Parameters
    ----------
    host : str
        A name or address of this machine that no other machine reaches.
    port : int
        0 takes a free one.
    data : Path, optional
        Folder with a folder for each patient.
    show : callable
        Receives the address.
    fhir_server : str, optional
        The one FHIR server that is contacted, for SMART launches; without it no other machine is contacted.
    client_id : str
        How that server knows this program.

    Raises
    ------
    InputError
        For an address that other machines reach, a port in use, a folder that cannot be written, or missing packages.
    """
    check_extra()
    from taper_sim.serve.page_guard import is_loopback

    if not is_loopback(host):
        raise problem("--host", "", host, "localhost, 127.0.0.1 or ::1: without accounts this machine alone")
    if not 0 <= port <= _LAST_PORT:
        raise problem("--port", "", port, f"0 to {_LAST_PORT}")
    if data is not None:
        check_writable(data)
    server = None
    if fhir_server is not None:
        from taper_sim.serve.doors.smart_client import FhirServer

        server = FhirServer(fhir_server, client_id)
    free_port = asyncio.run(_free_port(host, port))
    import uvicorn

    from taper_sim.serve.pages import ServedPages, application
    from taper_sim.serve.patient_store import PatientStore
    from taper_sim.serve.reckoner import Reckoner

    root = Path(tempfile.mkdtemp(prefix="taper-sim-serve-")) if data is None else data
    reckoner = Reckoner()
    reckoner.warm_up()
    pages = ServedPages(PatientStore(root, data is not None), reckoner)
    app = application(pages)
    if server is not None:
        from taper_sim.serve.doors.smart_launch import mount_smart_launch

        mount_smart_launch(app, pages, server)
    config = uvicorn.Config(app, host, free_port, log_level="error", access_log=False, server_header=False)
    named = f"[{host}]" if ":" in host else host
    show(f"taper-sim serve: http://{named}:{free_port} (Ctrl-C ends it)")
    show("research prototype: no clinician or regulator has reviewed it; not for emergencies")
    if server is not None:
        show(f"SMART launches from {server.base}: register the launch address /smart/launch for {client_id}")
    show("patients are kept in a private folder and removed at the end" if data is None else f"patients are in {data}")
    try:
        uvicorn.Server(config).run()
    finally:
        reckoner.stop()
        if data is None:
            shutil.rmtree(root, ignore_errors=True)


async def _free_port(host: str, port: int) -> int:
    """The port if it is free, a free one for 0; raises InputError if it is in use."""
    try:
        server = await asyncio.start_server(lambda *_: None, host, port)
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise problem("--port", "", f"{port}, {why}", "a free port, or 0") from None
    taken = int(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    return taken
