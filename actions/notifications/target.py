"""The only file that imports Apprise, and only when it is used (it takes 40 MB): checks targets, sends messages."""

import logging
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from actions.notifications.text import Message
from core.errors import InvalidInputError

if TYPE_CHECKING:
    import apprise

CONNECT_S: Final = 4.0
READ_S: Final = 8.0
_LOG: Final = logging.getLogger("apprise")
# What Apprise logs holds hosts, paths and answers of targets: it stays in here. Without a handler Python prints it.
_LOG.propagate = False
_LOG.addHandler(logging.NullHandler())
_FAILED: Final = "the target did not take the message"
_SHORTEST_SECRET: Final = 3
_MAX_REASON: Final = 200


def check_target(target: str, schemes: Collection[str]) -> None:
    """Refuse what cannot be sent to.

    Raises:
        InvalidInputError: a scheme that the settings do not allow, or not a URL of Apprise; never repeats it.
    """
    scheme = target.partition("://")[0].lower()
    if scheme not in schemes:
        raise InvalidInputError(
            f"target: expected a URL of Apprise that begins with one of {', '.join(sorted(schemes))} and ://"
        )
    _open(target)


def send(target: str, message: Message, schemes: Collection[str]) -> str | None:
    """Send it, once, within seconds; None: it was taken, else why not, without anything of the target in it."""
    try:
        check_target(target, schemes)
        opened = _open(target)
    except InvalidInputError as error:
        return str(error)
    heard = _Heard()
    _LOG.addHandler(heard)
    try:
        taken = opened.notify(
            title=message.title,
            body=message.body,
            notify_type="warning",
            body_format="text",
        )
    except Exception as error:  # noqa: BLE001 - of a plugin: whatever it is, it must not stop the others
        return f"{_FAILED}: {type(error).__name__}"
    finally:
        _LOG.removeHandler(heard)
    if taken:
        return None
    reason = _without_secrets(heard.last, target)
    return f"{_FAILED}: {reason}" if reason else _FAILED


def _open(target: str) -> "apprise.NotifyBase":
    import apprise  # noqa: PLC0415 - see above

    asset = apprise.AppriseAsset(app_id="Kreispuls", app_desc="Kreispuls", http_redirects=False, secure_logging=True)
    opened = apprise.Apprise.instantiate(target, asset=asset, suppress_exceptions=True)
    if not isinstance(opened, apprise.NotifyBase):
        raise InvalidInputError("target: not a complete URL of this service; see docs/notifications.md")
    # What the URL says of these does not count: a failure is one, nobody is sent elsewhere, no target holds others up.
    opened.optional, opened.retry, opened.redirects = False, 0, False
    opened.socket_connect_timeout, opened.socket_read_timeout = CONNECT_S, READ_S
    return opened


class _Heard(logging.Handler):
    """Keeps the last warning that Apprise logs in this thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.last = record.getMessage()


def _without_secrets(text: str, target: str) -> str:
    """One line, in which nothing that stands in the target is left."""
    text = " ".join(text.split())
    rest = target.partition("://")[2]
    for sign in "/:@?&=,%":
        rest = rest.replace(sign, " ")
    for part in sorted(rest.split(), key=len, reverse=True):
        if len(part) >= _SHORTEST_SECRET:
            text = text.replace(part, "***")
    return text[:_MAX_REASON]
