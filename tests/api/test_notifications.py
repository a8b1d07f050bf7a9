"""Subscriptions over HTTP, with a real webhook."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.targets import webhook

PATH = "/v1/notifications/subscriptions"
BODY = {"name": "Bauhof", "target": "json://user:pass4word@127.0.0.1:9/secret-path"}


def add(client: TestClient, **changes: Any) -> dict[str, Any]:
    answer = client.post(PATH, json=BODY | changes)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_life(client: TestClient) -> None:
    made = add(client, quiet_from="22:00", quiet_until="06:00", min_severity="critical", municipality="marburg")
    assert made == {
        "subscription_id": made["subscription_id"],
        "name": "Bauhof",
        "service": "json",
        "municipality": "marburg",
        "min_severity": "critical",
        "language": "de",
        "quiet_from": "22:00",
        "quiet_until": "06:00",
        "group_s": 60,
        "resolved": True,
        "enabled": True,
        "created_at": made["created_at"],
        "waiting": 0,
        "failed": 0,
        "last_sent_at": None,
        "last_error": None,
    }
    one = f"{PATH}/{made['subscription_id']}"
    assert client.get(one).json() == made
    assert client.get(PATH).json()["items"] == [made]
    changed = client.put(one, json={"name": "Kreis", "language": "en"}).json()
    assert (changed["name"], changed["municipality"], changed["quiet_from"]) == ("Kreis", None, None)
    assert (changed["service"], changed["language"]) == ("json", "en")
    assert client.delete(one).status_code == 204
    assert client.get(one).status_code == 404
    assert client.delete(one).status_code == 404
    assert client.put(one, json={"name": "Kreis"}).status_code == 404


def test_a_municipality_sees_those_of_all_too(client: TestClient) -> None:
    for name, municipality in (("a", "marburg"), ("b", None), ("c", "kirchhain")):
        add(client, name=name, municipality=municipality)
    items = client.get(PATH, params={"municipality": "marburg"}).json()["items"]
    assert [item["name"] for item in items] == ["a", "b"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": None},
        {"target": "syslog://localhost/pass4word"},
        {"target": "json://"},
        {"target": "json://user:pass4word@x.example/" + "y" * 2000},
        {"target": 7},
        {"name": ""},
        {"quiet_from": "22:00"},
        {"quiet_from": "24:00", "quiet_until": "06:00"},
        {"min_severity": "bad"},
        {"language": "fr"},
        {"group_s": -1},
        {"url": "json://x.example/"},
    ],
)
def test_wrong_input_is_422_and_repeats_no_secret(client: TestClient, wrong: dict[str, Any]) -> None:
    answer = client.post(PATH, json=BODY | wrong)
    assert answer.status_code == 422, answer.text
    assert "pass4word" not in answer.text
    assert client.get(PATH).json()["items"] == []


def test_nothing_shows_the_target(client: TestClient) -> None:
    made = add(client)
    one = f"{PATH}/{made['subscription_id']}"
    answers = [client.get(PATH), client.get(one), client.put(one, json={"name": "x"}), client.post(f"{one}/test")]
    assert not any(secret in answer.text for answer in answers for secret in ("pass4word", "secret-path", "127.0.0.1"))


def test_it_can_be_tried(client: TestClient) -> None:
    with webhook() as target:
        one = f"{PATH}/{add(client, target=target.url)['subscription_id']}"
        assert client.post(f"{one}/test").json() == {"delivered": True, "detail": None}
        assert "Bauhof" in target.bodies[0]
        target.status = 500
        answer = client.post(f"{one}/test").json()
    assert answer["delivered"] is False
    assert "500" in answer["detail"]
    assert client.post(f"{PATH}/s9/test").status_code == 404
