"""What holds for every route: problems, limits, headers, documentation, health, metrics."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from api.resources import Resources
from core.settings import Settings

JSON = {"Content-Type": "application/json"}


def chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 65_536 + 1):
        yield b" " * 65_536


class TestProblems:
    def test_says_type_title_status_detail_and_instance(self, client: TestClient) -> None:
        answer = client.get("/v1/devices/lamp-7")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json() == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "no device 'lamp-7'",
            "instance": "/v1/devices/lamp-7",
        }

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/nothing", 404),
            ("GET", "/v1/devices/", 404),
            ("PUT", "/v1/devices", 405),
            ("GET", "/n%C3%A4%22", 404),
        ],
    )
    def test_the_routers_own_errors_are_problems_too(
        self, client: TestClient, method: str, path: str, status: int
    ) -> None:
        answer = client.request(method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.json()["instance"] == path
        assert ("Allow" in answer.headers) == (status == 405)

    def test_every_wrong_part_is_named(self, client: TestClient) -> None:
        answer = client.get("/v1/devices?limit=0&status=x").json()
        assert [error["location"] for error in answer["errors"]] == ["query.limit", "query.status"]
        assert "query.limit: " in answer["detail"]

    def test_unknown_query_parameters_are_refused_with_those_known(self, client: TestClient) -> None:
        answer = client.get("/v1/alerts?colour=red")
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["location"] == "query.colour"
        assert "cursor, device_id, end, limit, municipality, muted, rule, severity, start, state" in error["detail"]

    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/live", "/v1/rules"])
    def test_no_route_takes_any_query(self, client: TestClient, path: str) -> None:
        assert client.get(f"{path}?surprise=1").status_code == 422

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"\xff", 400),
            (b"[" * 100_000, 400),
            (b'{"name": "\\ud800"}', 422),
            (b'{"attributes": {"\\ud800": [1]}}', 422),
            (b'{"attributes": {"a": 1e999}}', 422),
            (b'{"attributes": {"a": %s}}' % (b"9" * 5000), 400),
            (b"null", 422),
            (b"", 422),
        ],
    )
    def test_bodies_that_are_no_sense_are_problems(
        self, client: TestClient, fill: Any, body: bytes, status: int
    ) -> None:
        fill.device("bin-1")
        answer = client.patch("/v1/devices/bin-1", content=body, headers=JSON)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")

    def test_what_nobody_expected_is_500_without_its_reason(
        self,
        client: TestClient,
        resources: Resources,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("the secret reason")

        monkeypatch.setattr(type(resources.state.devices), "find", fail)
        answer = client.get("/v1/devices/bin-1")
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert "secret" not in answer.text
        assert "the secret reason" in caplog.text
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


class TestBodyLimit:
    def test_an_announced_length_is_refused_unread(self, client: TestClient) -> None:
        answer = client.post("/v1/devices", content=b"x" * (1024 * 1024 + 1), headers=JSON)
        assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
        assert answer.json()["detail"] == "The body is larger than 1048576 bytes."

    def test_chunks_are_counted(self, client: TestClient) -> None:
        answer = client.post("/v1/devices", content=chunks(1024 * 1024), headers=JSON)
        assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")

    def test_the_largest_allowed_is_read(self, client: TestClient) -> None:
        assert client.post("/v1/devices", content=b" " * (1024 * 1024), headers=JSON).status_code == 422


class TestHeaders:
    def test_contents_are_not_guessed_and_other_origins_not_let_in(self, client: TestClient) -> None:
        for path in ("/healthz", "/nothing", "/docs", "/v1/devices"):
            answer = client.get(path, headers={"Origin": "https://example.org"})
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "access-control-allow-origin" not in answer.headers


class TestDocumentation:
    def test_the_schema_is_valid_openapi_3_1(self, client: TestClient) -> None:
        document = client.get("/openapi.json").json()
        assert document["openapi"].startswith("3.1")
        OpenAPIV31SpecValidator(document).validate()
        assert document["info"]["license"]["identifier"] == "EUPL-1.2"

    def test_every_operation_documents_its_problems(self, client: TestClient) -> None:
        document = client.get("/openapi.json").json()
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                where = f"{method} {path}"
                assert operation["description"], where
                assert {"422", "500", "503"} <= operation["responses"].keys(), where
                if "{" in path:
                    assert "404" in operation["responses"], where
                if "requestBody" in operation:
                    assert {"400", "413"} <= operation["responses"].keys(), where
                for status, response in operation["responses"].items():
                    if status >= "400":
                        assert list(response["content"]) == ["application/problem+json"], where

    @pytest.mark.parametrize("path", ["/docs", "/redoc"])
    def test_the_pages_need_no_network(self, client: TestClient, path: str) -> None:
        page = client.get(path).text
        assert "openapi.json" in page
        assert "https://" not in page
        scripts = [part.split('"')[0] for part in page.split('src="')[1:]]
        assert scripts
        for script in scripts:
            assert client.get(script).status_code == 200


class TestHealth:
    def test_lives_without_anything_else(self, client: TestClient) -> None:
        assert client.get("/healthz").json() == {"status": "ok"}

    def test_is_not_ready_without_broker_and_says_so(self, client: TestClient) -> None:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert [error["location"] for error in answer.json()["errors"]] == ["broker"]

    def test_is_ready_with_all(self, broker_client: TestClient) -> None:
        answer = broker_client.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]) == (
            200,
            {"state": "ok", "readings": "ok", "broker": "ok"},
        )

    def test_is_not_ready_when_the_broker_goes(
        self, broker_client: TestClient, mosquitto: Any, wait_until: Any
    ) -> None:
        mosquitto.stop()
        wait_until(lambda: broker_client.get("/readyz").status_code == 503, "the broker is missed")


class TestMetrics:
    def test_counts_requests_and_shows_the_state(self, client: TestClient, fill: Any) -> None:
        fill.device("bin-1")
        fill.alert("a1")
        client.get("/v1/devices/bin-1")
        client.get("/v1/devices/nothing")
        client.get("/nowhere/at/all")
        answer = client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        samples = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }
        assert samples["kreispuls_devices", "active", "marburg", "waste_bin"] == 1
        assert samples["kreispuls_open_alerts", "marburg"] == 1
        assert samples["kreispuls_rejected_messages",] == 0
        assert samples["kreispuls_api_requests_total", "/v1/devices/{device_id}", "200", "GET"] >= 1
        assert samples["kreispuls_api_requests_total", "/v1/devices/{device_id}", "404", "GET"] >= 1
        assert samples["kreispuls_api_requests_total", "404", "GET", "unmatched"] >= 1


class TestLifespan:
    def test_can_be_opened_again(self, settings: Settings) -> None:
        app = create_app(settings)
        for _ in range(2):
            with TestClient(app) as client:
                assert client.get("/metrics").status_code == 200
