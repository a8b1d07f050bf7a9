"""How long single quantities are kept."""

from datetime import UTC, datetime, timedelta

import pytest

from core.retention import Forgetting, due_forgettings, parse_retention

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_entries_for_all_and_for_one_municipality() -> None:
    assert parse_retention("") == {}
    assert parse_retention(" temperature_c=720, marburg/presence = 24,") == {
        (None, "temperature_c"): 720,
        ("marburg", "presence"): 24,
    }


@pytest.mark.parametrize(
    "text", ["presence", "presence=", "presence=0", "presence=-1", "presence=1000001", "steps=5", "Mar burg/presence=5"]
)
def test_a_wrong_entry_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=text.split("=", maxsplit=1)[0]):
        parse_retention(text)


def test_nothing_gets_older_until_the_next_run_an_hour_later() -> None:
    assert list(due_forgettings({(None, "presence"): 48}, NOON)) == [
        Forgetting("presence", NOON - timedelta(hours=47), None, ()),
    ]


def test_a_municipalitys_own_retention_takes_the_place_of_that_of_all() -> None:
    hours = {(None, "presence"): 48, ("zoo", "presence"): 72, ("marburg", "presence"): 1, ("zoo", "voltage_v"): 5}
    assert list(due_forgettings(hours, NOON)) == [
        Forgetting("presence", NOON - timedelta(hours=47), None, ("marburg", "zoo")),
        Forgetting("presence", NOON, "marburg", ()),
        Forgetting("presence", NOON - timedelta(hours=71), "zoo", ()),
        Forgetting("voltage_v", NOON - timedelta(hours=4), "zoo", ()),
    ]
