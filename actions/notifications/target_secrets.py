"""Targets of notifications as they are kept: sealed with a key that does not stand in the database.

Sealed is all but the scheme: `mailtos://sealed-1:` and a Fernet token (AES-128-CBC with HMAC-SHA256, as specified by
`cryptography`, which only this file imports).
"""

import base64
import hashlib
import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Final

from core.errors import SettingsError
from core.settings import Settings
from state.state import State

KEY_FILE: Final = "secret.key"
_SEALED: Final = "sealed-1:"
_OWNER_ONLY: Final = 0o600


class TargetSecrets:
    """Seals and opens targets.

    Args:
        key: any secret text that cannot be guessed.
        source: what errors call it.
    """

    def __init__(self, key: str, source: str) -> None:
        from cryptography.fernet import Fernet  # noqa: PLC0415 - 10 MB, which only who notifies needs

        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))
        self._source = source

    def seal(self, target: str) -> str:
        """The target as it is to be kept; one that is sealed stays as it is."""
        if is_sealed(target):
            return target
        scheme = target.partition("://")[0].lower()
        return f"{scheme}://{_SEALED}{self._fernet.encrypt(target.encode()).decode()}"

    def open(self, kept: str) -> str:
        """The target itself, also of one that is not sealed yet.

        Raises:
            SettingsError: it was sealed with another key.
        """
        from cryptography.fernet import InvalidToken  # noqa: PLC0415

        if not is_sealed(kept):
            return kept
        try:
            return self._fernet.decrypt(kept.partition(_SEALED)[2]).decode()
        except InvalidToken as error:
            raise SettingsError(
                f"target: kept with another key than that of {self._source}; set the key of then, or the target anew"
            ) from error


def is_sealed(kept: str) -> bool:
    """Whether a target is as `TargetSecrets.seal` makes it."""
    return kept.partition("://")[2].startswith(_SEALED)


def target_secrets(settings: Settings) -> TargetSecrets:
    """With the key of `KREISPULS_SECRET_KEY`, else of a file in `KREISPULS_DATA_DIR`, which is made if it is not there.

    Raises:
        SettingsError: the file cannot be read or made, or others may read it.
    """
    given = settings.secret_key.get_secret_value()
    if given:
        return _made(given, "KREISPULS_SECRET_KEY")
    path = settings.data_dir / KEY_FILE
    return _made(_key_of(path), str(path))


def seal_kept_targets(state: State, settings: Settings) -> None:
    """Seal the targets that an earlier version has kept as they were; safe to repeat."""
    for subscription in state.notifications.subscriptions():
        if not is_sealed(subscription.target):
            sealed = target_secrets(settings).seal(subscription.target)
            state.notifications.reseal(subscription.subscription_id, subscription.target, sealed)


_made = lru_cache(maxsize=8)(TargetSecrets)


def _key_of(path: Path) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        if not path.exists():
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "w") as file:
                file.write(secrets.token_urlsafe(32))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, path)  # whole or not at all: of two programs that make it the first wins
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise SettingsError(f"{path}: others may read this key; chmod 600 it, or set KREISPULS_SECRET_KEY")
        key = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; set KREISPULS_SECRET_KEY instead") from error
    if not key:
        raise SettingsError(f"{path}: is empty; delete it and set all targets anew, or set KREISPULS_SECRET_KEY")
    return key
