"""A lamp that answers no command becomes an alert, over a real broker; answering takes it off."""

import json
from collections.abc import Callable
from typing import Any

from core.alert import Alert, AlertState
from state.alerts import AlertFilter

Wait = Callable[..., Any]
RULE = "command_failure"
SETTINGS = {"command_attempts": 1, "command_expires_s": 2.0}


def alerts_of(platform: Any, lamp: str) -> list[Alert]:
    return list(platform.state.alerts.page(AlertFilter(rule=RULE, device_id=lamp)).items)


def fires_at_once(platform: Any) -> None:
    platform.state.rule_overrides.put("marburg", RULE, {"parameters": {"unresponsive_s": 0}})


def test_a_lamp_that_answers_nothing_has_an_alert_until_it_answers(
    make_platform: Callable[..., Any], wait_until: Wait
) -> None:
    with make_platform(**SETTINGS) as platform:
        fires_at_once(platform)
        platform.say("marburg/streetlight/l0/event/up", b'{"presence": true}')
        (alert,) = wait_until(lambda: alerts_of(platform, "l0"), "the alert fires", 20)
        assert (alert.state, alert.summary_de[:34]) == (
            AlertState.FIRING,
            "Lamp 0 beantwortet seit " + f"{alert.started_at:%Y-%m-%d}",
        )
        told = json.loads(next(m for m in platform.heard if "/l0/command/set_light" in m.topic).payload)
        wait_until(
            lambda: any(message.topic.endswith(f"/l0/alert/{RULE}") for message in platform.heard), "listeners hear"
        )
    with make_platform(**SETTINGS) as platform:  # the platform forgets which lamps it gave up, the alert stays
        assert [alert.state for alert in alerts_of(platform, "l0")] == [AlertState.FIRING]
        platform.say("marburg/streetlight/l0/event/up", b'{"dim_level": 0.0}')  # it speaks, but does not do as told
        answer = {"command_id": told["command_id"], "result": "done", "detail": ""}
        platform.say("marburg/streetlight/l0/event/ack", json.dumps(answer).encode())
        wait_until(lambda: alerts_of(platform, "l0")[0].state is AlertState.RESOLVED, "the alert resolves", 20)
        assert len(alerts_of(platform, "l0")) == 1
        events = platform.state.alerts.history(alert.alert_id)
        assert [event.state for event in events] == [AlertState.FIRING, AlertState.RESOLVED]
