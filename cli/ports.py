"""Finds free ports for the programs that `demo` and `up` start."""

import socket
from typing import Final

from core.errors import SettingsError

TRIES: Final = 50


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a TCP port can be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose_port(port: int, *, setting: str, configured: bool, host: str = "127.0.0.1") -> int:
    """The port, or where nobody chose it and it is taken, the next free one.

    Raises:
        SettingsError: a configured port is taken, or none of the next 50 is free.
    """
    if is_free(port, host):
        return port
    if configured:
        raise SettingsError(
            f"{setting}: port {port} on {host} is taken; stop what listens there or choose another port"
        )
    for other in range(port + 1, min(port + TRIES, 65_535)):
        if is_free(other, host):
            return other
    raise SettingsError(f"{setting}: ports {port} to {port + TRIES} on {host} are all taken")
