"""Makes changes of alerts known: kept in the state database, told to listeners, acted on."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime

from core.alert import Alert, AlertState
from core.clock import format_rfc3339
from core.pickup import PickupRequest
from core.topics import Topics
from rules.engine import AlertChange
from rules.rule import Action
from state.state import State


def apply_alert_changes(
    changes: Sequence[AlertChange],
    state: State,
    publish: Callable[[str, bytes], None],
    topics: Topics,
    now: datetime,
) -> None:
    """Keep the alerts, request or close pickups, publish the changes (payload to topic); safe to repeat.

    Raises:
        StorageError: nothing is to be taken as kept; call again.
    """
    if not changes:
        return
    state.alerts.save([change.alert for change in changes])
    for change in changes:
        alert = change.alert
        if Action.REQUEST_PICKUP in change.actions:
            if alert.state is AlertState.FIRING:
                state.pickups.request(
                    PickupRequest(
                        device_id=alert.device_id,
                        municipality=alert.municipality,
                        requested_at=now,
                        reason=alert.summary,
                    )
                )
            elif alert.state is AlertState.RESOLVED:
                state.pickups.close_request(alert.device_id, now)
        topic = topics.alert(alert.municipality, alert.device_type, alert.device_id, alert.rule)
        publish(topic, encode_alert(alert))


def encode_alert(alert: Alert) -> bytes:
    """An alert as JSON, the keys of the API's alerts."""
    values = {
        key: format_rfc3339(value) if isinstance(value, datetime) else value for key, value in asdict(alert).items()
    }
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
