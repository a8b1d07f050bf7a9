"""Keyset paging: everything exactly once and in order, and only its own cursors."""

import base64
import itertools
import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.alert import Alert, AlertState, Severity
from core.device import Device
from core.errors import InvalidInputError
from core.pickup import Plan, PlanState
from core.rejected import RejectedMessage
from sql.page import Page
from state.alerts import AlertFilter
from state.devices import DeviceFilter
from state.rejected import RejectedFilter
from state.state import State, open_state

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
T = TypeVar("T")


def lamp(device_id: str) -> Device:
    return Device(device_id=device_id, device_type="streetlight", municipality="marburg")


def alert(number: int, started_at: datetime) -> Alert:
    return Alert(
        alert_id=f"alert-{number}",
        rule="day_burner",
        device_id=f"lamp-{number}",
        device_type="streetlight",
        municipality="marburg",
        severity=Severity.INFO,
        state=AlertState.FIRING,
        summary="burns by day",
        started_at=started_at,
    )


def plan(number: int, created_at: datetime) -> Plan:
    return Plan(
        plan_id=f"plan-{number}",
        municipality="marburg",
        date=NOON.date(),
        state=PlanState.DONE,
        created_at=created_at,
    )


def message(number: int) -> RejectedMessage:
    return RejectedMessage(topic=f"t/{number}", payload=b"", payload_size=0, reason="empty", received_at=NOON)


def encoded(parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def walk(fetch: Callable[[str | None], Page[T]], limit: int) -> list[T]:
    items: list[T] = []
    cursor = None
    while True:
        page = fetch(cursor)
        assert len(page.items) <= limit
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
        assert len(page.items) == limit, "only the last page may be short"


device_ids = st.sets(st.text(alphabet="abZ019._-", min_size=1, max_size=6), max_size=25)
instants = st.lists(st.integers(0, 5).map(lambda us: NOON + timedelta(microseconds=us)), max_size=20)
limits = st.integers(1, 30)


@settings(deadline=None, max_examples=30)
@given(ids=device_ids, limit=limits)
def test_pages_of_devices_hold_each_once_by_id(ids: set[str], limit: int) -> None:
    with closing(open_state("sqlite://")) as state:
        state.devices.put_many([lamp(each) for each in ids])
        found = walk(lambda cursor: state.devices.page(DeviceFilter(), limit, cursor), limit)
    assert [each.device_id for each in found] == sorted(ids)


@settings(deadline=None, max_examples=30)
@given(times=instants, limit=limits)
def test_pages_of_alerts_and_plans_hold_each_once_newest_first(times: list[datetime], limit: int) -> None:
    """Also where many start in the same microsecond."""
    with closing(open_state("sqlite://")) as state:
        state.alerts.save([alert(number, at) for number, at in enumerate(times)])
        for number, at in enumerate(times):
            state.pickups.add_plan(plan(number, at))
        alerts = walk(lambda cursor: state.alerts.page(AlertFilter(), limit, cursor), limit)
        plans = walk(lambda cursor: state.pickups.page_plans("marburg", limit, cursor), limit)
    newest_first = sorted(((at, f"{number}") for number, at in enumerate(times)), reverse=True)
    assert [(each.started_at, each.alert_id.removeprefix("alert-")) for each in alerts] == newest_first
    assert [(each.created_at, each.plan_id.removeprefix("plan-")) for each in plans] == newest_first


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
def test_pages_hold_each_once(state: State, limit: int) -> None:
    state.devices.put_many([lamp(each) for each in ("b", "B", "a-1", "a.1", "a1", "_")])
    state.alerts.save([alert(number, NOON + timedelta(microseconds=number // 2)) for number in range(6)])
    state.rejected.add([message(number) for number in range(6)])
    for number in range(6):
        state.pickups.add_plan(plan(number, NOON + timedelta(microseconds=number // 2)))
    devices = walk(lambda cursor: state.devices.page(DeviceFilter(), limit, cursor), limit)
    assert [each.device_id for each in devices] == ["B", "_", "a-1", "a.1", "a1", "b"]
    alerts = walk(lambda cursor: state.alerts.page(AlertFilter(), limit, cursor), limit)
    assert [each.alert_id for each in alerts] == [f"alert-{number}" for number in (5, 4, 3, 2, 1, 0)]
    rejected = walk(lambda cursor: state.rejected.page(RejectedFilter(), limit, cursor), limit)
    assert [each.topic for each in rejected] == ["t/5", "t/4", "t/3", "t/2", "t/1", "t/0"]
    plans = walk(lambda cursor: state.pickups.page_plans(None, limit, cursor), limit)
    assert [each.plan_id for each in plans] == [f"plan-{number}" for number in (5, 4, 3, 2, 1, 0)]


def test_what_comes_and_goes_between_pages_hides_nothing(state: State) -> None:
    state.devices.put_many([lamp(each) for each in "bdfh"])
    first = state.devices.page(DeviceFilter(), 2)
    state.devices.delete("d")
    state.devices.add(lamp("a"))
    second = state.devices.page(DeviceFilter(), 2, first.next_cursor)
    assert [each.device_id for each in second.items] == ["f", "h"]


def test_a_cursor_goes_into_an_address_as_it_is(state: State) -> None:
    state.devices.put_many([lamp("a?>~"), lamp("b")])
    cursor = state.devices.page(DeviceFilter(), 1).next_cursor
    assert cursor is not None
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_a_limit_out_of_range(state: State) -> None:
    lists: list[Callable[[int], object]] = [
        lambda limit: state.devices.page(DeviceFilter(), limit),
        lambda limit: state.alerts.page(AlertFilter(), limit),
        lambda limit: state.rejected.page(RejectedFilter(), limit),
        lambda limit: state.pickups.page_plans(None, limit),
        state.commands.recent,
    ]
    for fetch, limit in itertools.product(lists, [0, -1, 1001]):
        with pytest.raises(InvalidInputError, match=f"limit: expected 1 to 1000, got {limit}"):
            fetch(limit)


WRONG_CURSORS = [
    "",
    "?",
    "a",
    "ä",
    "\x00",
    "%00",
    "x" * 10_000,
    encoded("a"),
    encoded([]),
    encoded([None]),
    encoded({"a": 1}),
    encoded([True]),
    encoded([1.5]),
    encoded([[1]]),
    encoded([2**63]),
    encoded([1, 2, 3]),
    encoded([2**62, "a"]),
    encoded(["a", "a"]),
    "W" * 999,
    base64.urlsafe_b64encode(b"[" * 600).decode(),
]


def test_a_cursor_that_no_list_gave(state: State) -> None:
    lists: list[Callable[[str], object]] = [
        lambda cursor: state.devices.page(DeviceFilter(), 10, cursor),
        lambda cursor: state.alerts.page(AlertFilter(), 10, cursor),
        lambda cursor: state.rejected.page(RejectedFilter(), 10, cursor),
        lambda cursor: state.pickups.page_plans(None, 10, cursor),
    ]
    for fetch, cursor in itertools.product(lists, WRONG_CURSORS):
        with pytest.raises(InvalidInputError, match="cursor"):
            fetch(cursor)


def test_cursors_of_other_lists_are_refused(state: State) -> None:
    state.devices.put_many([lamp("a"), lamp("b")])
    state.rejected.add([message(1), message(2)])
    of_devices = state.devices.page(DeviceFilter(), 1).next_cursor
    of_rejected = state.rejected.page(RejectedFilter(), 1).next_cursor
    with pytest.raises(InvalidInputError, match="cursor"):
        state.devices.page(DeviceFilter(), 1, of_rejected)
    with pytest.raises(InvalidInputError, match="cursor"):
        state.rejected.page(RejectedFilter(), 1, of_devices)
