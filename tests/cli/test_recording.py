from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cli.recorded_time import TimeReader
from cli.recording import Recording, read_recording
from core.errors import InvalidInputError
from devices.registry import device_type

MELBOURNE = ZoneInfo("Australia/Melbourne")
BIN_COLUMNS = {"device_id": "Bin", "observed_at": "When", "filling_level": "Full"}


def recording(
    tmp_path: Path,
    text: str,
    *,
    columns: dict[str, str] | None = None,
    time_format: str | None = None,
    scales: dict[str, Decimal] | None = None,
    kind: str = "waste_bin",
) -> Recording:
    file = tmp_path / "recording.csv"
    file.write_text(text, encoding="utf-8")
    return read_recording(
        file,
        device_type(kind),
        columns or BIN_COLUMNS,
        zone=MELBOURNE,
        oldest=datetime(2010, 1, 1, tzinfo=UTC),
        newest=datetime(2026, 1, 1, tzinfo=UTC),
        time_format=time_format,
        scales=scales,
    )


def said(found: Recording) -> list[tuple[str, str, object]]:
    return [
        (item.device_id, f"{item.observed_at:%m-%d %H:%M}", item.values["filling_level"]) for item in found.readings
    ]


def test_a_recording_of_tenths_is_sorted_by_time_and_scaled_exactly(tmp_path: Path) -> None:
    """Midnight in Melbourne is 14:00 UTC of the day before, 13:00 in summer time; 3 tenths are exactly 0.3."""
    found = recording(tmp_path, "Bin,Full,When\nb,3,13-08-2018\na,10,31-12-2018\na,6,12-08-2018\n")
    assert said(found) == [("a", "08-11 14:00", 0.6), ("b", "08-12 14:00", 0.3), ("a", "12-30 13:00", 1)]
    assert found.unusable == []
    assert found.notes == [
        "times such as '12-08-2018' are read as day first",
        "column 'Full' goes beyond 1: filling_level is 0.1 times it (--scale filling_level=1 takes it as it is)",
    ]


def test_percent_are_recognised_and_a_share_is_left_alone(tmp_path: Path) -> None:
    head = "Bin,When,Full\na,2019-05-06T10:00:00Z,"
    assert recording(tmp_path, head + "12.5\n").readings[0].values == {"filling_level": 0.125}
    assert recording(tmp_path, head + "1\n").readings[0].values == {"filling_level": 1}
    assert recording(tmp_path, head + "1\n").notes == []


def test_a_given_scale_is_not_guessed_about(tmp_path: Path) -> None:
    text = "Bin,When,Full\na,2019-05-06,5\n"
    found = recording(tmp_path, text, scales={"filling_level": Decimal("0.01")})
    assert found.readings[0].values == {"filling_level": 0.05}
    assert recording(tmp_path, text, scales={"filling_level": Decimal(1)}).unusable == [
        (2, "filling_level: 5 is outside 0 to 1")
    ]


def test_of_the_same_device_and_instant_the_last_row_in_the_file_counts(tmp_path: Path) -> None:
    found = recording(tmp_path, "Bin,When,Full\na,2019-05-06,0.8\na,2019-05-06,0.2\na,2019-05-06,0.4\n")
    assert said(found) == [("a", "05-05 14:00", 0.4)]
    assert (found.rows, found.repeated) == (3, 2)


def test_rows_that_cannot_be_used_are_named_and_do_not_stop(tmp_path: Path) -> None:
    text = (
        "Bin;When;Full\n"
        "a;2019-05-06;0.5\n"
        "a b;2019-05-06;0.5\n"
        "a;yesterday;0.5\n"
        "a;2019-05-07;half\n"
        "a;2019-05-08;\n"
        "\n"
        "a;2019-05-09\n"
        "a;2031-05-09;0.5\n"
        "a;1999-05-09;0.5\n"
        "a;2019-05-10;nan\n"
        "a;2019-05-11;-0.5\n"
        "b;2019-05-12;0.7\n"
    )
    found = recording(tmp_path, text)
    assert [(item.device_id, item.values) for item in found.readings] == [
        ("a", {"filling_level": 0.5}),
        ("b", {"filling_level": 0.7}),
    ]
    assert found.unusable == [
        (3, "device_id 'a b' is not 1-64 of A-Z a-z 0-9 . _ -"),
        (4, "time 'yesterday' cannot be read"),
        (5, "filling_level: 'half' is no number"),
        (6, "no value"),
        (8, "has 2 cells, the header 3"),
        (9, "time 2031-05-09 is in the future"),
        (10, "time 1999-05-09 is older than the retention"),
        (11, "filling_level: 'nan' is no number"),
        (12, "filling_level: -0.5 is outside 0 to 1"),
    ]
    assert found.rows == 11


def test_json_lines_with_quantities_of_every_kind(tmp_path: Path) -> None:
    columns = {
        "device_id": "id",
        "observed_at": "t",
        "presence": "p",
        "power_state": "s",
        "faults": "f",
        "dim_level": "d",
    }
    text = (
        '{"id": "l1", "t": 1557136800000, "p": true, "s": "on", "f": ["day_burner"], "d": 0.5}\n'
        "not json\n[1]\n"
        '{"id": "l1", "t": 1557136801, "p": "0", "s": "off", "f": "day_burner;supply_loss"}\n'
        '{"id": "l1", "t": "1557136802", "p": "perhaps"}\n'
    )
    found = recording(tmp_path, text, columns=columns, kind="streetlight")
    assert [(f"{item.observed_at:%H:%M:%S}", item.values) for item in found.readings] == [
        ("10:00:00", {"presence": True, "power_state": "on", "faults": "day_burner", "dim_level": 0.5}),
        ("10:00:01", {"presence": False, "power_state": "off", "faults": "day_burner,supply_loss"}),
    ]
    assert found.unusable == [(2, "not JSON"), (3, "no JSON object"), (5, "presence: expected true or false")]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({**BIN_COLUMNS, "observed_at": "Whenever"}, "has no column 'Whenever'; its columns are Bin, When, Full"),
        ({"device_id": "Bin", "filling_level": "Full"}, "--map observed_at=COLUMN is missing"),
        ({"device_id": "Bin", "observed_at": "When"}, "--map names no quantity"),
        ({**BIN_COLUMNS, "presence": "Full"}, "'presence' is nothing a waste_bin says"),
    ],
)
def test_a_wrong_map_is_one_sentence(tmp_path: Path, columns: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        recording(tmp_path, "Bin,When,Full\na,2019-05-06,0.5\n", columns=columns)


def test_json_lines_without_a_key_that_is_mapped(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="has the key 'Full'"):
        recording(tmp_path, '{"Bin": "a", "When": "2019-05-06"}\n')


def test_a_scale_must_belong_to_a_mapped_number(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="--scale weight_kg"):
        recording(tmp_path, "Bin,When,Full\n", scales={"weight_kg": Decimal(1)})


def test_a_file_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
        read_recording(
            Path("nowhere.csv"),
            device_type("waste_bin"),
            BIN_COLUMNS,
            zone=MELBOURNE,
            oldest=datetime(2010, 1, 1, tzinfo=UTC),
            newest=datetime(2026, 1, 1, tzinfo=UTC),
        )


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2019-05-06T10:00:00Z", "2019-05-06T10:00:00+00:00"),
        ("2019-05-06T10:00:00+02:00", "2019-05-06T08:00:00+00:00"),
        ("2019-05-06 10:00", "2019-05-06T00:00:00+00:00"),
        ("2019-05-06", "2019-05-05T14:00:00+00:00"),
        ("1557136800", "2019-05-06T10:00:00+00:00"),
        ("1557136800.5", "2019-05-06T10:00:00.500000+00:00"),
        ("1557136800500", "2019-05-06T10:00:00.500000+00:00"),
        ("06.05.2019 10:30", "2019-05-06T00:30:00+00:00"),
        ("26/5/2019, 10:30:15", "2019-05-26T00:30:15+00:00"),
    ],
)
def test_times_are_read_in_the_forms_that_recordings_have(text: str, utc: str) -> None:
    """Melbourne is ten hours ahead in May."""
    assert TimeReader([text], MELBOURNE, None)(text).isoformat() == utc


def test_the_whole_column_tells_day_from_month() -> None:
    assert TimeReader(["05/06/2019", "05/13/2019"], UTC, None)("05/06/2019") == datetime(2019, 5, 6, tzinfo=UTC)
    assert TimeReader(["05/06/2019", "13/05/2019"], UTC, None)("05/06/2019") == datetime(2019, 6, 5, tzinfo=UTC)
    with pytest.raises(InvalidInputError, match="'05/06/2019' may be day or month first"):
        TimeReader(["05/06/2019"], UTC, None)


def test_a_given_time_format_decides() -> None:
    assert TimeReader([], UTC, "%m/%d/%Y")("05/06/2019") == datetime(2019, 5, 6, tzinfo=UTC)
    assert TimeReader([], UTC, "%Y %z")("2019 +0200") == datetime(2018, 12, 31, 22, tzinfo=UTC)
    with pytest.raises(InvalidInputError, match="time format '%Q' cannot be used"):
        TimeReader([], UTC, "%Q")


@pytest.mark.parametrize("text", ["", "0001-01-01", "99-99-2019", "9999-12-31T23:59:59-10:00", "\0"])
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        TimeReader([], MELBOURNE, None)(text)
