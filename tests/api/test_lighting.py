"""Lighting profiles, event nights, groups of lamps and the preview of their nights over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.resources import Resources

PROFILES = "/v1/municipalities/marburg/lighting-profiles"
EVENTS = "/v1/municipalities/marburg/event-nights"
GROUPS = "/v1/light-groups"
QUIET = {
    "title": "50 % until 23:00, then off until 05:00",
    "off": {"at": "sunrise", "offset_min": -15},
    "nights": [
        {
            "days": ["every_day"],
            "dim_level": 0.5,
            "steps": [{"at": "23:00", "dim_level": 0}, {"at": "05:00", "dim_level": 0.5}],
        }
    ],
}


@pytest.fixture(autouse=True)
def _marburg(fill: Any) -> None:
    fill.municipality("marburg", latitude=50.81, longitude=8.77)
    fill.municipality("lahntal")
    for number in (1, 2, 3):
        fill.device(f"lamp-{number}", "streetlight", attributes={"circuit": number})
    fill.device("bin-1")


def made(client: TestClient, **members: Any) -> dict[str, Any]:
    answer = client.post(GROUPS, json={"municipality": "marburg", "name": "Markt", **members})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{GROUPS}/{answer.json()['light_group_id']}"
    return dict(answer.json())


class TestProfiles:
    def test_those_that_ship_are_there_and_may_be_covered(self, client: TestClient) -> None:
        shipped = client.get(PROFILES).json()["items"]
        assert [(each["name"], each["shipped"]) for each in shipped] == [
            ("always_full", True),
            ("reduced_at_night", True),
            ("standby_and_presence", True),
        ]
        assert client.put(f"{PROFILES}/always_full", json=QUIET).json()["shipped"] is False
        assert client.get(f"{PROFILES}/always_full").json()["profile"]["title"] == QUIET["title"]
        other = client.get("/v1/municipalities/lahntal/lighting-profiles/always_full").json()
        assert other["shipped"] is True
        assert client.delete(f"{PROFILES}/always_full").status_code == 204
        assert client.get(f"{PROFILES}/always_full").json()["shipped"] is True

    def test_a_profile_is_seen_before_it_holds(self, client: TestClient, fill: Any) -> None:
        """0 for 1.0 at 05:00: of four lamps that would follow it one has a least level, and nothing is saved."""
        fill.device("lamp-4", "streetlight", attributes={"minimum_dim_level": 0.3})
        fill.device("lamp-5", "streetlight", attributes={"lighting_profile": "always_full"})
        nights = [{"days": ["every_day"], "dim_level": 1.0, "steps": [{"at": "05:00", "dim_level": 0}]}]
        mistyped = QUIET | {"nights": nights}
        path = f"{PROFILES}/default/preview?date=2026-12-01"
        shown = client.post(path, json=mistyped).json()
        assert (shown["lamps"], shown["date"], shown["kind"]) == (4, "2026-12-01", "tuesday")
        dark = [step for step in shown["levels"] if step["lit"] and step["dim_level"] == 0]
        assert [(step["lamps_off_in_the_dark"], step["lamps_brighter"]) for step in dark] == [(3, 1)]
        (warning,) = shown["warnings"]
        assert warning.startswith("05:00 to 07:")
        assert warning.endswith("3 of 4 lamps are off though it is dark")
        right = QUIET | {"nights": [nights[0] | {"steps": [{"at": "05:00", "dim_level": 1.0}]}]}
        assert client.post(path, json=right).json()["warnings"] == []
        assert client.get(f"{PROFILES}/default").status_code == 404
        nowhere = path.replace("marburg", "nowhere")
        assert client.post(nowhere, json=right).status_code == 404
        assert client.post(path, json={"title": "x"}).status_code == 422

    def test_what_was_given_can_be_put_again(self, client: TestClient) -> None:
        client.put(f"{PROFILES}/quiet", json=QUIET)
        shown = client.get(f"{PROFILES}/quiet").json()
        again = client.put(f"{PROFILES}/quiet-2", json=shown["profile"])
        assert again.status_code == 200
        assert again.json()["profile"] == shown["profile"]

    def test_pages_join_to_the_whole(self, client: TestClient) -> None:
        first = client.get(f"{PROFILES}?limit=2").json()
        second = client.get(PROFILES, params={"cursor": first["next_cursor"]}).json()
        assert [each["name"] for each in first["items"] + second["items"]] == [
            "always_full",
            "reduced_at_night",
            "standby_and_presence",
        ]

    @pytest.mark.parametrize(
        ("body", "location"),
        [
            ({}, "body.nights"),
            ({**QUIET, "name": "quiet"}, "body.name"),
            ({"nights": [{"days": ["weekday"]}]}, "body"),
            (
                {"nights": [{"days": ["every_day"], "steps": [{"at": "23:00", "dim_level": 1.2}]}]},
                "body.nights.0.steps.0.dim_level",
            ),
            ([], "body"),
        ],
    )
    def test_wrong_input_is_422_with_its_place_and_keeps_nothing(
        self, client: TestClient, body: Any, location: str
    ) -> None:
        answer = client.put(f"{PROFILES}/quiet", json=body)
        assert answer.status_code == 422
        assert [error["location"] for error in answer.json()["errors"]] == [location]
        assert client.get(f"{PROFILES}/quiet").status_code == 404

    def test_what_is_missing_is_404(self, client: TestClient) -> None:
        assert client.get("/v1/municipalities/nowhere/lighting-profiles").status_code == 404
        assert client.get("/v1/municipalities/nowhere/lighting-profiles/always_full").status_code == 404
        assert client.put("/v1/municipalities/nowhere/lighting-profiles/quiet", json=QUIET).status_code == 404
        assert client.delete(f"{PROFILES}/always_full").status_code == 404

    def test_one_that_a_later_version_kept_is_left_out(self, client: TestClient, resources: Resources) -> None:
        resources.state.lighting.put_profile("marburg", "future", {"nights": "all"})
        assert client.get(f"{PROFILES}/future").status_code == 404
        assert len(client.get(PROFILES).json()["items"]) == 3


class TestEvents:
    FAIR = {"first": "2026-10-02", "last": "2026-10-04"}  # noqa: RUF012 - never changed

    def test_are_kept_listed_and_forgotten(self, client: TestClient) -> None:
        shown = {"municipality": "marburg", "name": "fair-2026", **self.FAIR}
        assert client.put(f"{EVENTS}/fair-2026", json=self.FAIR).json() == shown
        client.put("/v1/municipalities/lahntal/event-nights/market", json=self.FAIR)
        assert client.get(EVENTS).json()["items"] == [shown]
        assert client.delete(f"{EVENTS}/fair-2026").status_code == 204
        assert client.get(EVENTS).json()["items"] == []
        assert client.delete(f"{EVENTS}/fair-2026").status_code == 404

    @pytest.mark.parametrize(
        "body",
        [
            {"first": "2026-10-02"},
            {"first": "2026-10-02", "last": "2026-10-01"},
            {"first": "2026-10-02", "last": "2027-10-03"},
            {"first": "2026-10-02", "last": "2026-02-30"},
            {"first": "2.10.2026", "last": "2026-10-04"},
        ],
    )
    def test_wrong_nights_are_422(self, client: TestClient, body: Any) -> None:
        assert client.put(f"{EVENTS}/fair", json=body).status_code == 422

    def test_an_unknown_municipality_is_404(self, client: TestClient) -> None:
        assert client.get("/v1/municipalities/nowhere/event-nights").status_code == 404
        assert client.put("/v1/municipalities/nowhere/event-nights/fair", json=self.FAIR).status_code == 404


class TestGroups:
    def test_are_made_listed_replaced_and_forgotten(self, client: TestClient) -> None:
        group = made(client, device_ids=["lamp-2", "lamp-1", "lamp-2"], lighting_profile="always_full")
        assert group["device_ids"] == ["lamp-1", "lamp-2"]
        path = f"{GROUPS}/{group['light_group_id']}"
        assert client.get(path).json() == group
        assert client.get(f"{GROUPS}?municipality=marburg").json()["items"] == [group]
        assert client.get(f"{GROUPS}?municipality=lahntal").json()["items"] == []
        changed = client.put(path, json={"name": "Kreis 3", "circuit": "3"}).json()
        assert changed == {**group, "name": "Kreis 3", "circuit": "3", "device_ids": [], "lighting_profile": None}
        assert client.get(path).json() == changed
        assert client.delete(path).status_code == 204
        assert client.get(path).status_code == 404
        assert client.delete(path).status_code == 404
        assert client.put(path, json={"name": "x", "circuit": "3"}).status_code == 404

    @pytest.mark.parametrize(
        ("members", "detail"),
        [
            ({}, "expected device_ids, street or circuit"),
            ({"device_ids": ["lamp-1", "lamp-9", "bin-1"]}, "no streetlight of marburg: bin-1, lamp-9"),
            ({"device_ids": [f"x{number}" for number in range(7)]}, "x0, x1, x2, x3, x4 and 2 more"),
            ({"street": ""}, "at least 1 character"),
            ({"street": "Markt", "lighting_profile": "quiet"}, "'quiet' is none of always_full, reduced_at_night"),
            ({"street": "Markt", "lamps": 3}, "Extra inputs"),
        ],
    )
    def test_wrong_members_are_422(self, client: TestClient, members: Any, detail: str) -> None:
        answer = client.post(GROUPS, json={"municipality": "marburg", "name": "Markt", **members})
        assert answer.status_code == 422
        assert detail in answer.json()["detail"]
        assert client.get(GROUPS).json()["items"] == []

    def test_a_municipalitys_own_profile_may_be_named(self, client: TestClient) -> None:
        client.put(f"{PROFILES}/quiet", json=QUIET)
        assert made(client, street="Marktplatz", lighting_profile="quiet")["lighting_profile"] == "quiet"

    def test_an_unknown_municipality_is_404(self, client: TestClient) -> None:
        body = {"municipality": "nowhere", "name": "x", "street": "y"}
        assert client.post(GROUPS, json=body).status_code == 404


class TestPreview:
    def preview(self, client: TestClient, group: dict[str, Any], date: str) -> dict[str, Any]:
        answer = client.get(f"{GROUPS}/{group['light_group_id']}/schedule?date={date}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def levels(self, night: dict[str, Any]) -> list[tuple[str, float]]:
        return [(level["since"], level["dim_level"]) for level in night["levels"]]

    def test_gives_the_steps_of_the_night_with_their_instants(self, client: TestClient) -> None:
        client.put(f"{PROFILES}/quiet", json=QUIET)
        night = self.preview(client, made(client, street="Marktplatz", lighting_profile="quiet"), "2026-11-20")
        assert (night["kind"], night["lighting_profile"], night["presence"]) == ("friday", "quiet", None)
        assert night["sun"] == {
            "sunset": "2026-11-20T15:31:57Z",
            "civil_dusk": "2026-11-20T16:08:52Z",
            "civil_dawn": "2026-11-21T06:12:53Z",
            "sunrise": "2026-11-21T06:49:57Z",
        }
        assert self.levels(night)[1:] == [
            ("2026-11-20T16:08:52Z", 0.5),
            ("2026-11-20T22:00:00Z", 0.0),
            ("2026-11-21T04:00:00Z", 0.5),
            ("2026-11-21T06:34:57Z", 0.0),
        ]
        assert [level["lit"] for level in night["levels"]] == [False, True, True, True, False]
        assert [before["until"] for before in night["levels"][:-1]] == [level["since"] for level in night["levels"][1:]]

    def test_without_profile_it_is_the_municipalitys_else_the_default(self, client: TestClient) -> None:
        group = made(client, circuit="1")
        night = self.preview(client, group, "2026-11-20")
        assert night["lighting_profile"] == "default"
        assert night["presence"]["standby_dim_level"] == 0.2
        assert [level for _, level in self.levels(night)] == [0.0, 0.2, 0.0]
        client.put(f"{PROFILES}/default", json=QUIET)
        night = self.preview(client, group, "2026-11-20")
        assert (night["lighting_profile"], night["presence"]) == ("default", None)

    def test_counts_its_lamps_and_those_that_follow_another_profile(self, client: TestClient, fill: Any) -> None:
        fill.device("lamp-4", "streetlight", attributes={"lighting_profile": "always_full"})
        group = made(client, street="Marktplatz", lighting_profile="reduced_at_night")
        night = self.preview(client, group, "2026-11-20")
        assert (night["lamps"], night["lamps_with_another_profile"]) == (4, 1)

    def test_an_event_has_full_light(self, client: TestClient) -> None:
        client.put(f"{EVENTS}/market", json={"first": "2026-11-20", "last": "2026-11-20"})
        group = made(client, street="Marktplatz", lighting_profile="reduced_at_night")
        night = self.preview(client, group, "2026-11-20")
        assert night["kind"] == "event"
        assert {level for _, level in self.levels(night)} == {0.0, 1.0}
        assert {level for _, level in self.levels(self.preview(client, group, "2026-11-21"))} == {0.0, 0.5, 1.0}

    def test_without_any_position_there_is_light_all_day(self, client: TestClient, fill: Any) -> None:
        where = {"municipality": "lahntal", "street": "Nirgendweg"}
        fill.device("lamp-5", "streetlight", latitude=None, longitude=None, **where)
        night = self.preview(client, made(client, lighting_profile="always_full", **where), "2026-06-20")
        assert night["sun"]["sunset"] is None
        assert [level for _, level in self.levels(night)] == [1.0]

    def test_wrong_requests(self, client: TestClient) -> None:
        assert client.get(f"{GROUPS}/nobody/schedule").status_code == 404
        path = f"{GROUPS}/{made(client, circuit='1')['light_group_id']}/schedule"
        assert client.get(path).status_code == 200
        assert client.get(f"{path}?date=tomorrow").status_code == 422
