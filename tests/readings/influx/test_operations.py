"""The line protocol of ingest's state and of the registry, as InfluxDB's reference writes it."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.device import Device, DeviceStatus, Municipality
from readings.influx.operations import IngestReport, device_lines, ingest_lines

AT = datetime(2026, 3, 1, 6, 0, 0, 250, tzinfo=UTC)
AT_US = 1_772_344_800_000_250


def _report(lag_s: float | None) -> IngestReport:
    return IngestReport(
        session="ingest 1",
        at=AT,
        received=1200,
        stored=1195,
        rejected=5,
        lag_s=lag_s,
        batch_readings=40,
        connected_devices=380,
    )


def test_a_report_is_one_line_with_counters_as_integers() -> None:
    assert ingest_lines([_report(0.25)]) == [
        (
            "ingest,session=ingest\\ 1 received=1200i,stored=1195i,rejected=5i,lag_s=0.25,batch_readings=40i,"
            f"connected_devices=380i {AT_US}"
        )
    ]


@pytest.mark.parametrize("lag_s", [None, float("nan"), float("inf")])
def test_a_lag_that_is_no_number_is_left_out(lag_s: float | None) -> None:
    (line,) = ingest_lines([_report(lag_s)])
    assert "lag_s" not in line
    assert line.endswith(f"connected_devices=380i {AT_US}")


def test_a_whole_number_of_seconds_stays_a_float() -> None:
    """The first write of a field fixes its type in InfluxDB: an integer lag would make every later one be refused."""
    (line,) = ingest_lines([_report(2)])
    assert ",lag_s=2.0," in line


def test_a_device_line_has_place_names_and_threshold() -> None:
    device = Device(
        device_id="MR-BIN-0001",
        device_type="waste_bin",
        municipality="marburg",
        name='Markt "oben"',
        latitude=50.8102,
        longitude=8.7665,
        street="Beltershäuser Straße, Süd",
    )
    municipalities = [Municipality(municipality="marburg", name="Marburg", filling_threshold=0.75)]
    assert device_lines([device], municipalities, AT) == [
        (
            "device,device_id=MR-BIN-0001,device_type=waste_bin,municipality=marburg,"
            "street=Beltershäuser\\ Straße\\,\\ Süd "
            'name="Markt \\"oben\\"",status="active",municipality_name="Marburg",threshold=0.75,'
            f"latitude=50.8102,longitude=8.7665 {AT_US}"
        )
    ]


def test_what_is_not_known_is_left_out_and_the_threshold_has_its_default() -> None:
    device = Device(device_id="L-1", device_type="streetlight", municipality="nirgends", status=DeviceStatus.DISCOVERED)
    assert device_lines([device], [], AT) == [
        (
            "device,device_id=L-1,device_type=streetlight,municipality=nirgends "
            f'name="L-1",status="discovered",municipality_name="nirgends",threshold=0.8 {AT_US}'
        )
    ]


def test_retired_devices_disappear() -> None:
    retired = Device(device_id="L-1", device_type="streetlight", municipality="m", status=DeviceStatus.RETIRED)
    assert device_lines([retired], [], AT) == []


@given(name=st.text(max_size=40), street=st.text(max_size=40))
def test_no_text_can_break_out_of_its_place(name: str, street: str) -> None:
    device = Device(device_id="L-1", device_type="streetlight", municipality="m", name=name, street=street)
    (line,) = device_lines([device], [], AT)
    assert re.fullmatch(
        r"device,device_id=L-1,device_type=streetlight,municipality=m(,street=(\\[ ,=]|[^ ,=\\])+)? "
        r'name="(\\\\|\\"|[^"\\])*",status="active",municipality_name="m",threshold=0\.8 ' + str(AT_US),
        line,
    )
