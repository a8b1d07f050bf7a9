"""Logging of the programs; library modules have only `logger = logging.getLogger(__name__)`."""

import logging
import time


def configure_logging(level: str) -> None:
    """Log to stderr, one line an entry, times in UTC; `level` is debug, info, warning or error."""
    formatter = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("apscheduler", "alembic", "amqtt", "transitions", "httpx"):
        logging.getLogger(noisy).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.WARNING)  # its debug lines hold paths of URLs, which may be secrets


class RepeatedTrouble:
    """Logs trouble that repeats only when it begins, changes and ends."""

    def __init__(self, logger: logging.Logger, what: str) -> None:
        self._logger = logger
        self._what = what
        self._now = ""
        self._times = 0

    def happened(self, reason: str) -> None:
        """Count one more failure; logged when it is the first or its reason is another."""
        self._times += 1
        if reason != self._now:
            self._now = reason
            self._logger.warning("%s: %s", self._what, reason)

    def over(self) -> None:
        """All well again; logged when it was not."""
        if self._times:
            self._logger.warning("%s: works again after %d failures", self._what, self._times)
        self._now, self._times = "", 0
