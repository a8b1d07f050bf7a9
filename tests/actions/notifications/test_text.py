"""What notifications say."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from actions.notifications.text import MOST_LISTED, message, trial_message
from core.alert import AlertState, Severity
from core.notification import Language, Notification

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)


def notification(**changes: Any) -> Notification:
    return Notification(
        **{
            "notification_id": 1,
            "subscription_id": "s1",
            "alert_id": "a1",
            "municipality": "marburg",
            "severity": Severity.WARNING,
            "state": AlertState.FIRING,
            "summary": "Lamp 7 is silent",
            "summary_de": "Leuchte 7 schweigt",
            "at": AT,
            "queued_at": AT,
            "next_at": AT,
            **changes,
        }
    )


def test_the_most_severe_first_and_what_is_over_last() -> None:
    told = message(
        [
            notification(severity=Severity.INFO, summary="first"),
            notification(state=AlertState.RESOLVED, severity=Severity.CRITICAL, summary="second"),
            notification(severity=Severity.CRITICAL, summary="third", municipality="kirchhain"),
        ],
        Language.ENGLISH,
        BERLIN,
    )
    assert told.title == "Kreispuls: 3 alerts, 1 critical"
    assert told.body == (
        "Begun:\n- critical, kirchhain: third (2026-01-06 00:30)\n- info, marburg: first (2026-01-06 00:30)\n\n"
        "Over:\n- critical, marburg: second (2026-01-06 00:30)"
    )


@pytest.mark.parametrize(
    ("language", "expected"),
    [(Language.GERMAN, "Leuchte 7 schweigt (06.01.2026 00:30 Uhr)"), (Language.ENGLISH, "Lamp 7 is silent (2026")],
)
def test_languages(language: Language, expected: str) -> None:
    assert expected in message([notification()], language, BERLIN).body
    assert "{" not in message([notification()], language, BERLIN).body
    assert "Bauhof" in trial_message("Bauhof", language).body


def test_without_german_summary_the_english_one() -> None:
    assert "Lamp 7 is silent" in message([notification(summary_de=None)], Language.GERMAN, BERLIN).body


def test_many_are_counted() -> None:
    many = [notification(at=AT + timedelta(seconds=number)) for number in range(MOST_LISTED + 5)]
    told = message(many, Language.GERMAN, BERLIN)
    assert told.title == "Kreispuls: 25 Meldungen (marburg)"
    assert told.body.count("\n- ") == MOST_LISTED
    assert told.body.endswith("... und 5 weitere")


def test_a_summary_cannot_pass_for_another_line() -> None:
    told = message([notification(summary_de="x\n- kritisch, marburg: Feuer " + "y" * 9999)], Language.GERMAN, BERLIN)
    assert told.body.count("\n- ") == 1
    assert len(told.body) < 400
