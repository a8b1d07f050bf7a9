"""Runs the API until it is told to stop."""

import errno
import logging
import signal
import socket
from typing import Final

import uvicorn

from api.app import create_app
from core.errors import KreispulsError, SettingsError
from core.settings import Settings
from readings.open import open_readings
from state.state import open_state

logger = logging.getLogger(__name__)

BACKLOG: Final = 2048
SHUTDOWN_S: Final = 5
"""How long requests in hand may take when the program is told to stop."""
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def run(settings: Settings) -> None:
    """Serve the API; returns after SIGTERM or SIGINT, when requests in hand are answered.

    Raises:
        SettingsError: the port is taken, the address is none of this machine, or a store's setting is wrong.
        StorageUnavailableError: a store does not answer.
        KreispulsError: it did not start for another reason, which is logged.
    """
    # Opened once before the server: what is wrong with them is one sentence and no traceback of the server's.
    open_state(settings.state_url).close()
    open_readings(settings).close()
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    with _listen(settings.api_host, settings.api_port) as listening:
        host, port = listening.getsockname()[:2]
        logger.info("API at http://%s:%d, documentation at /docs", f"[{host}]" if ":" in host else host, port)
        # uvicorn raises the signal again when it has stopped: for whoever was there before, here for nobody.
        before = {number: signal.signal(number, lambda *_: None) for number in _STOP_SIGNALS}
        try:
            server = uvicorn.Server(config)
            server.run(sockets=[listening])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    if not server.started:
        raise KreispulsError("the API did not start; the log says why")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"KREISPULS_API_HOST: {host!r} is no address") from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise SettingsError(f"KREISPULS_API_HOST: {host} is no address of this machine") from error
        reason = "is taken by another program" if error.errno == errno.EADDRINUSE else str(error.strerror)
        raise SettingsError(f"KREISPULS_API_PORT: port {port} on {host} {reason}") from error
    return listening
