"""Targets are kept sealed; the key comes from the setting or from a file that only its owner reads."""

import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from actions.notifications.deliver import deliver_due
from actions.notifications.target_secrets import KEY_FILE, TargetSecrets, is_sealed, target_secrets
from core.clock import utc_now
from core.errors import SettingsError
from core.notification import Subscription
from core.settings import Settings
from state.state import open_state

TARGET = "mailtos://user:pass4word@mail.example.org?to=b@example.org"


def settings_in(folder: Path, **changes: Any) -> Settings:
    return Settings(_env_file=None, data_dir=folder, **changes)


def test_what_is_kept_shows_the_scheme_and_nothing_else() -> None:
    secrets = TargetSecrets("k" * 32, "here")
    kept = secrets.seal(TARGET)
    assert kept.startswith("mailtos://sealed-1:")
    assert not [part for part in ("user", "pass4word", "example") if part in kept]
    assert secrets.open(kept) == TARGET
    assert secrets.seal(kept) == kept
    assert secrets.seal(TARGET) != kept  # two that are the same do not look so
    assert secrets.open(TARGET) == TARGET  # of an earlier version


def test_another_key_opens_nothing_and_says_so_without_the_target() -> None:
    kept = TargetSecrets("k" * 32, "here").seal(TARGET)
    with pytest.raises(SettingsError, match="another key than that of KREISPULS_SECRET_KEY") as error:
        TargetSecrets("l" * 32, "KREISPULS_SECRET_KEY").open(kept)
    assert "pass4word" not in str(error.value)
    changed = kept[:60] + ("A" if kept[60] != "A" else "B") + kept[61:]
    with pytest.raises(SettingsError):
        TargetSecrets("k" * 32, "here").open(changed)


def test_without_a_setting_a_key_file_is_made_once_that_only_the_owner_reads(tmp_path: Path) -> None:
    kept = target_secrets(settings_in(tmp_path / "data")).seal(TARGET)
    path = tmp_path / "data" / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert target_secrets(settings_in(tmp_path / "data")).open(kept) == TARGET
    with pytest.raises(SettingsError):
        target_secrets(settings_in(tmp_path / "other")).open(kept)
    assert target_secrets(settings_in(tmp_path / "none", secret_key="s" * 32)).seal(TARGET)
    assert not (tmp_path / "none").exists()


def test_a_key_file_that_others_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    path.write_text("k" * 43)
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="others may read this key; chmod 600"):
        target_secrets(settings_in(tmp_path))
    path.write_text("")
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="is empty"):
        target_secrets(settings_in(tmp_path))


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="at least 32 characters"):
        settings_in(tmp_path, secret_key="password")


def test_targets_of_an_earlier_version_are_sealed_by_the_first_delivery(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    state = open_state(settings.state_url)
    state.notifications.add(Subscription(subscription_id="s", name="S", target=TARGET, created_at=utc_now()))
    deliver_due(state, settings, utc_now)
    kept = state.notifications.subscription("s")
    assert is_sealed(kept.target)
    assert kept.service == "mailtos"
    assert target_secrets(settings).open(kept.target) == TARGET
    state.notifications.reseal("s", TARGET, "json://late")  # whoever read it before comes too late
    assert state.notifications.subscription("s") == kept
    state.close()
    assert b"pass4word" not in b"".join(file.read_bytes() for file in tmp_path.glob("state.db"))
