import csv
import io
import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.device import Device, DeviceStatus
from core.errors import InvalidInputError
from devices.files import InvalidDevicesError, format_devices_csv, format_devices_geojson, parse_devices

HEADER = "device_id,device_type,municipality,name,latitude,longitude,street,status\n"
GOOD = "bin-1,waste_bin,marburg,Elisabethkirche,50.81,8.77,Elisabethstraße,active\n"


def bad_rows(text: str, form: str = ".csv") -> dict[str, str]:
    with pytest.raises(InvalidDevicesError) as raised:
        parse_devices(text, form)
    return {row.place: row.reason for row in raised.value.rows}


def test_a_csv_row_is_a_device_and_other_columns_are_attributes() -> None:
    text = "\ufeffdevice_id;device_type;municipality;latitude;longitude;volume_l;stream;underground;serial;note\r\n"
    text += 'bin-1;waste_bin;marburg;50.81;8.77;1100;"glass; white";true;007;\r\n\r\n'
    assert parse_devices(text, ".csv") == [
        Device(
            device_id="bin-1",
            device_type="waste_bin",
            municipality="marburg",
            latitude=50.81,
            longitude=8.77,
            attributes={"volume_l": 1100, "stream": "glass; white", "underground": True, "serial": "007"},
        )
    ]


def test_columns_and_defaults_fit_a_foreign_file() -> None:
    """The columns of the Wyndham bins' `containers.csv`."""
    text = (
        "serial,description,latitude,longitude,threshold,stream\n1510830,Bendigo Bank G,-37.9018,144.6601,6.0,general\n"
    )
    (device,) = parse_devices(
        text,
        "text/csv; charset=utf-8",
        columns={"device_id": "serial", "name": "description"},
        defaults={"device_type": "waste_bin", "municipality": "wyndham"},
    )
    assert (device.device_id, device.name, device.municipality) == ("1510830", "Bendigo Bank G", "wyndham")
    assert (device.latitude, device.longitude) == (-37.9018, 144.6601)
    assert device.attributes == {"threshold": 6.0, "stream": "general"}


def test_usual_names_of_columns_need_no_option() -> None:
    text = "id,device_type,municipality,description,lat,lon\nbin-1,waste_bin,marburg,Church,50.8,8.7\n"
    (device,) = parse_devices(text, ".csv")
    assert (device.device_id, device.name, device.latitude, device.longitude) == ("bin-1", "Church", 50.8, 8.7)


def test_every_bad_row_is_named_with_line_and_reason() -> None:
    text = HEADER + GOOD
    text += "bin 2,waste_bin,marburg,,50.8,8.7,,\n"  # line 3
    text += 'bin-3,toaster,marburg,"two\nlines",50.8,8.7,,\n'  # lines 4 and 5
    text += "bin-4,waste_bin,Marburg,,50.8,8.7,,\n"  # line 6
    text += "bin-5,waste_bin,marburg,,91,8.7,,\n"
    text += "bin-6,waste_bin,marburg,,50.8,,,\n"
    text += "bin-7,waste_bin,marburg,,50.8,8.7,,asleep\n"
    text += "bin-1,waste_bin,marburg,,50.8,8.7,,\n"
    text += "bin-8,waste_bin\n"
    text += "bin-9,waste_bin,marburg,,nan,8.7,,\n"
    assert bad_rows(text) == {
        "line 3": "device_id 'bin 2' is not 1-64 of A-Z a-z 0-9 . _ -",
        "line 4": "device_type 'toaster' is none of streetlight, waste_bin",
        "line 6": "municipality 'Marburg' is not 1-64 of a-z 0-9 -",
        "line 7": "latitude '91' is no number of degrees from -90 to 90",
        "line 8": "latitude and longitude belong together: one is missing",
        "line 9": "status 'asleep' is none of discovered, active, maintenance, retired",
        "line 10": "device_id 'bin-1' is in the file twice",
        "line 11": "has 2 cells, the header 8",
        "line 12": "latitude 'nan' is no number of degrees from -90 to 90",
    }


def test_of_very_many_bad_rows_fifty_are_shown_and_all_are_kept() -> None:
    text = HEADER + "".join(f"b{number},toaster,marburg,,,,,\n" for number in range(70))
    with pytest.raises(InvalidDevicesError) as raised:
        parse_devices(text, ".csv")
    assert str(raised.value).startswith("70 of 70 devices cannot be imported: line 2: device_type 'toaster'")
    assert str(raised.value).endswith("and 20 more")
    assert str(raised.value).count("toaster") == 50
    assert len(raised.value.rows) == 70


@pytest.mark.parametrize(
    ("text", "form", "sentence"),
    [
        ("", ".csv", "the file has no header line"),
        (HEADER, ".csv", "the file has no devices"),
        ("a,,b\n1,2,3\n", ".csv", "column 2 has no name"),
        ("a,b,a\n1,2,3\n", ".csv", "'a' more than once"),
        (HEADER + 'x,"y\n', ".csv", "line 2: not CSV"),
        (GOOD, ".xlsx", "'.xlsx': devices come as CSV"),
        ("{", ".geojson", "not JSON"),
        ("[" * 100_000, ".geojson", "nested too deep"),
        ('{"a": NaN}', ".geojson", "NaN"),
        ("[]", ".geojson", "expected a GeoJSON FeatureCollection"),
        ('{"type": "FeatureCollection", "features": []}', ".json", "the file has no devices"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_says_why(text: str, form: str, sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        parse_devices(text, form)


def test_options_must_name_fields_and_columns() -> None:
    with pytest.raises(InvalidInputError, match="'colour' is no field of a device"):
        parse_devices(HEADER + GOOD, ".csv", defaults={"colour": "red"})
    with pytest.raises(InvalidInputError, match="there is no column 'serial'; columns are device_id"):
        parse_devices(HEADER + GOOD, ".csv", columns={"device_id": "serial"})


def feature(geometry: object, **properties: object) -> dict[str, object]:
    base = {"device_id": "bin-1", "device_type": "waste_bin", "municipality": "marburg"}
    return {"type": "Feature", "geometry": geometry, "properties": base | properties}


def test_geojson_features_are_devices() -> None:
    features = [
        feature(
            {"type": "Point", "coordinates": [8.77, 50.81, 190.0]},
            name="Church",
            attributes={"volume_l": 240},
            filling_level=0.4,
        ),
        {"type": "Feature", "id": "bin-2", "geometry": None, "properties": {"stream": "glass"}},
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features})
    defaults = {"device_type": "waste_bin", "municipality": "marburg"}
    first, second = parse_devices(text, "application/geo+json", defaults=defaults)
    assert (first.latitude, first.longitude, first.name, first.attributes) == (50.81, 8.77, "Church", {"volume_l": 240})
    assert (second.device_id, second.latitude, second.attributes) == ("bin-2", None, {"stream": "glass"})


def test_every_bad_feature_is_named() -> None:
    features = [
        feature({"type": "Polygon", "coordinates": []}),
        feature({"type": "Point", "coordinates": [8.7, "north"]}),
        feature({"type": "Point", "coordinates": [8.7]}),
        feature(None, tags=["a"]),
        feature(None, attributes=3),
        "nothing",
        feature(None),
    ]
    assert bad_rows(json.dumps({"type": "FeatureCollection", "features": features}), ".geojson") == {
        "feature 1": "geometry is no Point",
        "feature 2": "latitude 'north' is no number of degrees from -90 to 90",
        "feature 3": "geometry is no Point",
        "feature 4": "attribute 'tags' is no text, number or boolean",
        "feature 5": "attributes is no object",
        "feature 6": "is no GeoJSON Feature with properties",
    }


NOW = datetime(2026, 5, 6, 4, tzinfo=UTC)
EXPORTED = [
    Device(
        device_id="bin-1",
        device_type="waste_bin",
        municipality="marburg",
        name="=1+1",
        latitude=-37.5,
        longitude=144.25,
        street='Straße "A", hinten',
        status=DeviceStatus.MAINTENANCE,
        attributes={"volume_l": 240, "height_m": 1.25, "glass": True, "name": "inner", "note": "-3 below"},
        last_seen_at=NOW,
        created_at=NOW,
    ),
    Device(device_id="lamp-1", device_type="streetlight", municipality="lahntal"),
]


@pytest.mark.parametrize("form", [".csv", ".geojson"])
def test_what_is_exported_can_be_imported(form: str) -> None:
    """All but what only the platform knows: connection and times."""
    text = format_devices_csv(EXPORTED) if form == ".csv" else json.dumps(format_devices_geojson(EXPORTED))
    first, second = parse_devices(text, form)
    assert (first.name, first.street, first.status) == ("=1+1", 'Straße "A", hinten', DeviceStatus.MAINTENANCE)
    assert (first.latitude, first.longitude) == (-37.5, 144.25)
    assert first.attributes == EXPORTED[0].attributes
    assert second == EXPORTED[1]


def test_an_exported_csv_holds_no_formula() -> None:
    (row, _) = csv.DictReader(io.StringIO(format_devices_csv(EXPORTED), newline=""))
    assert (row["name"], row["note"], row["latitude"]) == ("'=1+1", "'-3 below", "-37.5")


@given(st.text(max_size=200), st.sampled_from([".csv", ".geojson"]))
def test_any_text_is_devices_or_an_invalid_input(text: str, form: str) -> None:
    with suppress(InvalidInputError):
        parse_devices(HEADER + text if form == ".csv" else text, form)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name.strip() == name),
        st.text(min_size=1, max_size=8).filter(lambda text: text.strip() == text and not text.isascii()),
        max_size=4,
    )
)
def test_texts_survive_csv(attributes: dict[str, str]) -> None:
    device = Device(device_id="d", device_type="waste_bin", municipality="m", attributes=attributes)
    assert parse_devices(format_devices_csv([device]), ".csv") == [device]
