"""Energy from counters: splits at bounds, resets, gaps, the reference. Expected values by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import to_epoch_us
from core.counter import CounterSpan
from core.device import Device
from core.errors import InvalidInputError
from lights.energy import (
    EnergyGroup,
    EnergyInterval,
    EnergySums,
    Used,
    bounds,
    lamp_energy,
    used,
)
from lights.increase import Increase, increases, with_reach
from lights.sun import dark_hours
from readings.counters import span_of

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 1, tzinfo=BERLIN).astimezone(UTC)
HOUR = timedelta(hours=1)
DAYS = [START + day * 24 * HOUR for day in range(4)]
LAMP = Device(
    device_id="lamp-1",
    device_type="streetlight",
    municipality="marburg",
    street="Uferstraße",
    latitude=50.8,
    longitude=8.8,
    attributes={"rated_power_w": 40.0, "circuit": "K7"},
)


def spans(points: Sequence[tuple[float, float]], of: Sequence[datetime] = DAYS) -> list[CounterSpan]:
    """As a store gives them, of (hour after START, value)."""
    found = []
    for interval, (start, end) in enumerate(pairwise(with_reach(of))):
        inside = [(START + hour * HOUR, value) for hour, value in points if start <= START + hour * HOUR < end]
        if inside:
            found.append(span_of("lamp-1", "marburg", interval, [(to_epoch_us(at), value) for at, value in inside]))
    return found


def told(found: Sequence[Increase]) -> list[tuple[float, float, int]]:
    return [(round(each.measured, 9), round(each.estimated, 9), each.resets) for each in found]


class TestIncreases:
    def test_what_passes_a_bound_between_close_readings_is_split_by_time(self) -> None:
        found = increases(spans([(-0.25, 10), (0.75, 14), (23.5, 20), (24.5, 22), (72, 30)]), DAYS)
        assert told(found)[0] == (3 + 6 + 1, 0, 0)
        assert found[0].known == (DAYS[0], DAYS[1])

    def test_what_passes_it_between_distant_readings_is_estimated(self) -> None:
        """20 kWh in 40 hours, of which 12 lie in the first day, 24 in the second and 4 in the third."""
        found = increases(spans([(0, 100), (12, 106), (52, 126), (72, 130)]), DAYS)
        assert told(found) == [(6, 6, 0), (0, 12, 0), (0, 2 + 4, 0)]
        assert [each.hours for each in found] == [2, 0, 1]

    def test_before_the_first_and_after_the_last_reading_nothing_is_known(self) -> None:
        found = increases(spans([(6, 100), (30, 106)]), DAYS)
        assert [each.known for each in found] == [
            (START + 6 * HOUR, DAYS[1]),
            (DAYS[1], START + 30 * HOUR),
            None,
        ]
        assert told(found)[2] == (0, 0, 0)

    def test_a_reset_inside_and_between(self) -> None:
        found = increases(spans([(0, 50), (1, 52), (2, 1), (23.5, 3), (24.5, 0.5), (25, 1), (72, 1)]), DAYS)
        assert told(found)[0] == (2 + 1 + 2 + 0.25, 0, 1)
        assert found[1].resets == 1
        assert found[1].measured == 0.25 + 0.5

    def test_switchings_count_where_they_were_seen(self) -> None:
        found = increases(spans([(0, 7), (20, 8), (52, 10)]), DAYS, split=False)
        assert told(found) == [(1, 0, 0), (0, 0, 0), (2, 0, 0)]

    def test_nothing_was_said(self) -> None:
        assert increases([], DAYS) == [Increase(), Increase(), Increase()]

    @given(
        hours=st.lists(st.floats(-47, 119, allow_nan=False), min_size=2, max_size=20, unique=True),
        gains=st.lists(st.floats(0, 5, allow_nan=False), min_size=20, max_size=20),
    )
    def test_nothing_is_lost_or_added(self, hours: list[float], gains: list[float]) -> None:
        """Of a counter that never goes back the intervals get what lies between the outer bounds, and no more."""
        hours.sort()
        values = [sum(gains[: place + 1]) for place in range(len(hours))]
        found = increases(spans(list(zip(hours, values, strict=True))), DAYS)
        total = sum(each.measured + each.estimated for each in found)
        assert -1e-9 <= total <= values[-1] - values[0] + 1e-9
        if hours[0] >= 0 and hours[-1] < 72:
            assert total == pytest.approx(values[-1] - values[0], abs=1e-9)


class TestUsed:
    def test_more_than_the_lamp_can_take_is_unknown(self) -> None:
        """40 W for 24 h are 0.96 kWh: a counter that jumped by 800 kWh is another lamp's."""
        known = (DAYS[0], DAYS[1])
        assert used(LAMP, Increase(measured=0.9, known=known)) == Used(0.9, 0, [known])
        assert used(LAMP, Increase(measured=800, known=known)) is None
        unrated = Device(device_id="lamp-2", device_type="streetlight", municipality="marburg")
        assert used(unrated, Increase(measured=20, known=known)) is not None
        assert used(unrated, Increase(measured=800, known=known)) is None

    def test_without_meter_its_power_counts(self) -> None:
        powered = [Used(0.3, 0.3, [(DAYS[0], DAYS[1])]), None, None]
        assert [each.used for each in lamp_energy(LAMP, {}, DAYS, powered)] == powered


class TestSums:
    def sums(self, *lamps: tuple[Device, Sequence[tuple[float, float]]], by: EnergyGroup) -> EnergySums:
        sums = EnergySums(by, DAYS, {"marburg": (50.8, 8.8)})
        for device, points in lamps:
            sums.add(lamp_energy(device, {"active_energy_kwh": spans(points)}, DAYS))
        return sums

    def test_a_dark_lamp_saves_nothing(self) -> None:
        """Its counter stands still from noon of the first day on; on the second it is found, on the third repaired."""
        points = [(0, 100.0), (12, 100.2), (60, 100.2), (72, 100.5)]
        fault = [(START + 12 * HOUR, START + 60 * HOUR)]
        sums = EnergySums(EnergyGroup.MUNICIPALITY, DAYS, {"marburg": (50.8, 8.8)}, {"lamp-1": fault})
        sums.add(lamp_energy(LAMP, {"active_energy_kwh": spans(points)}, DAYS))
        first, second, third = sums.totals()
        assert first.reference_kwh == pytest.approx(0.04 * dark_hours(50.8, 8.8, DAYS[0], START + 12 * HOUR))
        assert (second.lamps_compared, second.reference_kwh, second.saving_share) == (0, None, None)
        assert third.reference_kwh == pytest.approx(0.04 * dark_hours(50.8, 8.8, START + 60 * HOUR, DAYS[3]))
        assert [total.hours_out_of_order for total in (first, second, third)] == [12, 24, 12]

    def test_saving_compares_only_what_is_known(self) -> None:
        """One lamp said nothing, one only from noon of the second day: its reference begins there too."""
        silent = Device(device_id="lamp-2", device_type="streetlight", municipality="marburg")
        points = [(36, 100.0), (72, 100.3)]
        first, second, third = self.sums((LAMP, points), (silent, ()), by=EnergyGroup.MUNICIPALITY).totals()
        assert (first.lamps, first.energy_kwh, first.reference_kwh, first.saving_share) == (2, None, None, None)
        assert (first.lamps_unknown, first.hours_unknown, first.hours_without_data) == (2, 48, 48)
        assert (second.lamps_unknown, second.hours_unknown, second.lamps_compared) == (1, 24 + 12, 1)
        evening = 0.04 * dark_hours(50.8, 8.8, START + 36 * HOUR, DAYS[2])
        assert second.reference_kwh == pytest.approx(evening)
        assert second.energy_kwh == pytest.approx(0.1)
        assert second.saving_kwh == pytest.approx(evening - 0.1)
        assert second.saving_share == pytest.approx(1 - 0.1 / evening)
        assert third.hours_unknown == 24
        assert second.co2_kg(363) == pytest.approx(0.0363)
        assert second.co2_saved_kg(363) == pytest.approx((evening - 0.1) * 0.363)

    @pytest.mark.parametrize(
        ("by", "names"),
        [
            (EnergyGroup.DEVICE, ["lamp-1", "lamp-2"]),
            (EnergyGroup.STREET, ["", "Uferstraße"]),
            (EnergyGroup.CIRCUIT, ["", "K7"]),
            (EnergyGroup.MUNICIPALITY, ["marburg"]),
        ],
    )
    def test_groups(self, by: EnergyGroup, names: list[str]) -> None:
        other = Device(device_id="lamp-2", device_type="streetlight", municipality="marburg")
        totals = self.sums((LAMP, [(0, 1.0), (72, 2.0)]), (other, [(0, 5.0), (72, 7.0)]), by=by).totals()
        assert [total.group for total in totals] == names * 3
        assert sum(total.energy_kwh or 0 for total in totals) == pytest.approx(3)
        assert sum(total.lamps_compared for total in totals) == 3


class TestBounds:
    def test_months_and_days_are_local(self) -> None:
        year = bounds(
            datetime(2025, 12, 31, 23, tzinfo=UTC),
            datetime(2026, 12, 31, 23, tzinfo=UTC),
            EnergyInterval.MONTH,
            BERLIN,
            most=12,
        )
        assert len(year) == 13
        assert year[3:5] == [datetime(2026, 3, 31, 22, tzinfo=UTC), datetime(2026, 4, 30, 22, tzinfo=UTC)]
        march = bounds(year[2], year[3], EnergyInterval.DAY, BERLIN, most=31)
        lengths = [(end - start) / HOUR for start, end in pairwise(march)]
        assert lengths == [24.0] * 28 + [23.0] + [24.0] * 2
        october = bounds(year[9], year[10], EnergyInterval.DAY, BERLIN, most=31)
        assert [(end - start) / HOUR for start, end in pairwise(october)].index(25.0) == 24

    def test_parts_at_the_ends(self) -> None:
        found = bounds(START + HOUR, START + 25 * HOUR, EnergyInterval.DAY, BERLIN, most=5)
        assert found == [START + HOUR, DAYS[1], START + 25 * HOUR]

    def test_too_many_or_none(self) -> None:
        with pytest.raises(InvalidInputError, match="more than 2"):
            bounds(DAYS[0], DAYS[3], EnergyInterval.DAY, BERLIN, most=2)
        with pytest.raises(InvalidInputError, match="before end"):
            bounds(START, START, EnergyInterval.DAY, BERLIN, most=2)
