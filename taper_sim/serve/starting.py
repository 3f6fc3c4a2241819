"""Starts the server of the pages on this machine. Imports ``pages``, ``doors``; the extra ``serve`` loads only here.

The page is for this machine alone unless accounts exist and TLS is configured. Without ``--data`` the patients are kept
in a private temporary folder, apart for each browser, which is removed at the end.
"""

import asyncio
import os
import shutil
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from taper_sim.data.problems import InputError, problem
from taper_sim.run_folder import check_writable, locked
from taper_sim.serve.store.database import DATABASE_FILE, StoreDatabase

if TYPE_CHECKING:
    from taper_sim.serve.doors.smart_client import FhirServer

NEEDED: Final = ("fastapi", "uvicorn", "python_multipart", "argon2", "babel", "httpx", "icalendar")
"""Packages of the extra ``serve``."""
_LAST_PORT: Final = 65535


def check_extra() -> None:
    """Raise an InputError with one line if the packages of the extra are missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise problem("serve", "", f"no package {', '.join(missing)}", "the extra: pip install 'taper-sim[serve]'")


@dataclass(frozen=True)
class Encryption:
    """Files of TLS: the certificate with its chain, and its key, both PEM."""

    certificate: Path
    key: Path


def serve(
    host: str,
    port: int,
    data: Path | None,
    show: Callable[[str], None],
    encryption: Encryption | None = None,
    fhir_server: str | None = None,
    client_id: str = "taper-sim",
) -> None:
    """Serve the pages until the process is interrupted.

    Parameters
    ----------
    host : str
        A name or address of this machine. One that other machines reach needs accounts and TLS.
    port : int
        0 takes a free one.
    data : Path, optional
        Folder with the database of the patients.
    show : callable
        Receives the address.
    encryption : Encryption, optional
    fhir_server : str, optional
        The one FHIR server that is contacted, for SMART launches; without it no other machine is contacted.
    client_id : str
        How that server knows this program.

    Raises
    ------
    InputError
        For an address that other machines reach without accounts and TLS, a port in use, a folder that cannot be
        written or that another process serves, or missing packages.
    """
    check_extra()
    if not 0 <= port <= _LAST_PORT:
        raise problem("--port", "", port, f"0 to {_LAST_PORT}")
    if encryption is not None:
        _check_encryption(encryption)
    _check_reach(host, data, encryption)
    if data is not None:
        check_writable(data)
    server = None
    if fhir_server is not None:
        from taper_sim.serve.doors.smart_client import FhirServer

        server = FhirServer(fhir_server, client_id)
    free_port = asyncio.run(_free_port(host, port))
    root = Path(tempfile.mkdtemp(prefix="taper-sim-serve-")) if data is None else data
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with locked(root, "to end that process, or another folder"):
            _run(host, free_port, root, data is not None, show, encryption, server)
    finally:
        if data is None:
            shutil.rmtree(root, ignore_errors=True)


def _run(
    host: str,
    port: int,
    root: Path,
    is_shared: bool,
    show: Callable[[str], None],
    encryption: Encryption | None,
    server: "FhirServer | None",
) -> None:
    """Serve a folder whose lock is held."""
    import uvicorn

    from taper_sim.serve.pages import ServedPages, application
    from taper_sim.serve.patient_store import WORKING, PatientStore
    from taper_sim.serve.reckoner import Reckoner

    for left in root.glob(f"{WORKING}*"):  # snapshots of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    store = PatientStore(root, is_shared)
    if is_shared:
        for line in store.import_folders():
            show(line)
    reckoner = Reckoner()
    reckoner.warm_up()
    pages = ServedPages(store, reckoner, is_encrypted=encryption is not None)
    app = application(pages)
    if server is not None:
        from taper_sim.serve.doors.smart_launch import mount_smart_launch

        mount_smart_launch(app, pages, server)
    config = uvicorn.Config(
        app,
        host,
        port,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=None if encryption is None else encryption.certificate,
        ssl_keyfile=None if encryption is None else str(encryption.key),
    )
    named = f"[{host}]" if ":" in host else host
    show(f"taper-sim serve: http{'' if encryption is None else 's'}://{named}:{port} (Ctrl-C ends it)")
    show("research prototype: no clinician or regulator has reviewed it; not for emergencies")
    if server is not None:
        show(f"SMART launches from {server.base}: register the launch address /smart/launch for {server.client_id}")
    show(f"patients are in {root}" if is_shared else "patients are kept in a private folder and removed at the end")
    try:
        uvicorn.Server(config).run()
    finally:
        reckoner.stop()
        store.close()


def _check_reach(host: str, data: Path | None, encryption: Encryption | None) -> None:
    """Raise a line for each of accounts and TLS that is missing for an address that other machines reach."""
    from taper_sim.serve.accounts import has_accounts
    from taper_sim.serve.page_guard import is_loopback

    if is_loopback(host):
        return
    wrong = []
    database = None if data is None else data / DATABASE_FILE
    if database is None or not database.exists() or not has_accounts(StoreDatabase(database)):
        allowed = "localhost, 127.0.0.1 or ::1; another with accounts: `taper-sim accounts add`, and --data"
        wrong += problem("--host", "", f"{host} without accounts", allowed).problems
    if encryption is None:
        allowed = "localhost, 127.0.0.1 or ::1; another with --tls-cert and --tls-key"
        wrong += problem("--host", "", f"{host} without TLS", allowed).problems
    if wrong:
        raise InputError(wrong)


def _check_encryption(encryption: Encryption) -> None:
    """Raise a line unless the files are a certificate and its key."""
    for flag, path in (("--tls-cert", encryption.certificate), ("--tls-key", encryption.key)):
        if not path.is_file():
            raise problem(flag, "", f"{path}, no file", "a PEM file")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(encryption.certificate, encryption.key, password="")
    except (ssl.SSLError, OSError) as error:
        why = getattr(error, "reason", None) or str(error)
        given = f"{encryption.certificate.name} with {encryption.key.name}: {str(why).lower().replace('_', ' ')}"
        raise problem("--tls-cert", "", given, "a certificate and its key without a password, both PEM") from None


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
