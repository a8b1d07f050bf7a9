"""The compose file: valid, pinned, no working password, closed to the outside, true to the programs' settings."""

import http.server
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from prometheus_client import start_http_server

from core.settings import Settings, environment_name, load_settings
from ingest import metrics

ROOT = Path(__file__).parents[2]
PROGRAMS = ("ingest", "planner", "api", "simulator")
SECRETS = {
    "MQTT_PASSWORD": "a1",
    "MQTT_SIMULATOR_PASSWORD": "b2",
    "POSTGRES_PASSWORD": "c3",
    "INFLUXDB_PASSWORD": "d4d4d4d4",
    "INFLUXDB_V2_TOKEN": "e5",
    "GRAFANA_PASSWORD": "f6",
}
Services = dict[str, dict[str, Any]]
EnvironmentOf = Callable[[str, dict[str, str]], dict[str, str]]


@pytest.fixture
def services(compose: dict[str, Any]) -> Services:
    found: Services = compose["services"]
    return found


@pytest.fixture
def unused_tcp_port() -> int:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as probe:
        return probe.server_port


def is_job(service: dict[str, Any]) -> bool:
    return bool(service["restart"] == "no")


def test_the_file_keeps_to_the_compose_specification() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            str(ROOT / "docker-compose.yml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_service_of_the_design_is_there(services: Services) -> None:
    assert {"mosquitto", "influxdb", "postgres", "ingest", "planner", "api", "grafana", "simulator"} <= set(services)
    assert services["simulator"]["profiles"] == ["demo"]
    assert [name for name, service in services.items() if "profiles" in service] == ["simulator"]


def test_every_image_is_pinned_to_a_patch_version(services: Services) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for name, service in services.items():
        image, _, tag = service["image"].rpartition(":")
        assert image, name
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?", tag), name
        if "build" in service:
            assert service["image"] == f"kreispuls{'-planner' if name == 'planner' else ''}:{version}"


def test_only_the_planner_carries_the_extras(services: Services) -> None:
    for name in PROGRAMS:
        build = services[name]["build"]
        assert build == ("." if name == "planner" else {"context": ".", "args": {"LOCK": "requirements-base.lock"}})


class TestSecrets:
    def test_no_service_has_one_in_the_file(self, services: Services) -> None:
        for name, service in services.items():
            for variable, text in service.get("environment", {}).items():
                if re.search("PASSWORD|TOKEN$|SECRET", variable):
                    assert re.fullmatch(r"\$\{\w+(:\?.+|-)\}", text), (name, variable)
                in_url = re.search(r"://[^:/@]+:(?P<password>[^@]*)@", text or "")
                assert in_url is None or in_url["password"].startswith("${"), (name, variable)

    def test_nothing_starts_until_each_is_set(self, services: Services, environment_of: EnvironmentOf) -> None:
        for missing in SECRETS.keys() - {"MQTT_SIMULATOR_PASSWORD"}:
            given = SECRETS | {missing: ""}
            refused = set()
            for name in services:
                try:
                    environment_of(name, given)
                except LookupError as error:
                    refused.add(str(error))
            assert refused == {missing}

    def test_the_example_lists_them_all(self) -> None:
        text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
        required = set(re.findall(r"\$\{(\w+):\?", text))
        empty = set(re.findall(r"^(\w+)=$", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
        assert required == set(SECRETS) - {"MQTT_SIMULATOR_PASSWORD"}
        assert empty == set(SECRETS)

    def test_every_variable_is_in_the_example(self) -> None:
        used = set(re.findall(r"(?<!\$)\$\{(\w+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
        listed = set(re.findall(r"^#?(\w+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
        assert used <= listed

    def test_grafana_lets_nobody_in_without_an_account(self, services: Services) -> None:
        environment = services["grafana"]["environment"]
        assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
        assert environment["GF_USERS_ALLOW_SIGN_UP"] == "false"

    def test_grafana_has_no_token_that_can_write(self, services: Services) -> None:
        assert not [name for name in services["grafana"]["environment"] if "TOKEN" in name]


class TestReach:
    def test_published_ports_are_this_machines_own_unless_said_otherwise(self, services: Services) -> None:
        published = {name: port for name, service in services.items() for port in service.get("ports", [])}
        assert set(published) == {"mosquitto", "api", "grafana"}
        for port in published.values():
            assert re.match(r"\$\{\w+_BIND:-127\.0\.0\.1\}:", port)

    def test_the_stores_are_in_a_network_without_a_way_out(self, compose: dict[str, Any], services: Services) -> None:
        assert compose["networks"]["stores"]["internal"] is True
        for name in ("influxdb", "postgres"):
            assert services[name]["networks"] == ["stores"]


class TestHardening:
    def test_no_service_may_more_than_it_needs(self, services: Services) -> None:
        for name, service in services.items():
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name

    def test_no_service_is_root(self, services: Services) -> None:
        for name, service in services.items():
            if "build" not in service:
                assert str(service["user"]).split(":")[0] not in ("0", "root"), name


class TestHealth:
    def test_every_service_that_stays_has_a_check(self, services: Services) -> None:
        for name, service in services.items():
            assert ("healthcheck" in service) is not is_job(service), name

    def test_services_wait_for_what_they_need(self, services: Services) -> None:
        for name, service in services.items():
            for needed, how in service.get("depends_on", {}).items():
                wanted = "service_completed_successfully" if is_job(services[needed]) else "service_healthy"
                assert how == {"condition": wanted}, (name, needed)

    @pytest.mark.parametrize(("connected", "status"), [(1, 0), (0, 1)])
    def test_ingest_is_healthy_while_the_broker_is_there(
        self, services: Services, unused_tcp_port: int, connected: int, status: int
    ) -> None:
        server, thread = start_http_server(unused_tcp_port, addr="127.0.0.1", registry=metrics.REGISTRY)
        try:
            metrics.connected.set(connected)
            assert self._run(services["ingest"], 9108, unused_tcp_port) == status
        finally:
            metrics.connected.set(0)
            server.shutdown()
            thread.join()
            server.server_close()
        assert self._run(services["ingest"], 9108, unused_tcp_port) == 1

    @pytest.mark.parametrize(("answer", "status"), [(200, 0), (503, 1)])
    def test_the_api_is_healthy_when_it_is_ready(self, services: Services, answer: int, status: int) -> None:
        asked = []

        class Ready(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(answer)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Ready) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                assert self._run(services["api"], 8000, server.server_port) == status
            finally:
                server.shutdown()
                thread.join()
        assert asked == ["/readyz"]

    def _run(self, service: dict[str, Any], port_inside: int, port: int) -> int:
        kind, program, *arguments = service["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "python")
        here = [argument.replace(f", {port_inside},", f", {port},") for argument in arguments]
        assert here != arguments
        return subprocess.run([sys.executable, *here], stderr=subprocess.DEVNULL, check=False).returncode


class TestPrograms:
    @pytest.fixture(autouse=True)
    def _clean(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        for field in Settings.model_fields:
            monkeypatch.delenv(environment_name(field), raising=False)

    @pytest.mark.parametrize("program", PROGRAMS)
    def test_they_understand_what_they_get(
        self, program: str, environment_of: EnvironmentOf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in environment_of(program, SECRETS | {"KREISPULS_TIMEZONE": "Europe/Vienna"}).items():
            assert name in {environment_name(field) for field in Settings.model_fields}
            monkeypatch.setenv(name, value)
        settings = load_settings()
        assert settings.readings_url == "influxdb://"
        assert settings.influxdb_token.get_secret_value() == "e5"
        assert settings.state_url == "postgresql+psycopg://kreispuls:c3@postgres:5432/kreispuls"
        user = "simulator:b2" if program == "simulator" else "kreispuls:a1"
        assert settings.mqtt_url == f"mqtt://{user}@mosquitto:1883"
        assert settings.timezone == "Europe/Vienna"

    def test_every_setting_reaches_them_or_is_decided_here(self, services: Services) -> None:
        decided = {
            "KREISPULS_DATA_DIR",  # the image says it
            "KREISPULS_MQTT_TOPIC_ROOT",  # the broker's acl spells it
            "KREISPULS_MQTT_CLIENT_ID",
            "KREISPULS_MQTT_CA_FILE",  # no TLS inside
            "KREISPULS_API_HOST",
            "KREISPULS_API_PORT",
            "KREISPULS_INGEST_METRICS_PORT",
            "KREISPULS_INGEST_METRICS_HOST",
        }
        everything = {environment_name(field) for field in Settings.model_fields}
        for program in PROGRAMS:
            assert everything - decided <= set(services[program]["environment"]), program

    @pytest.mark.parametrize("program", PROGRAMS)
    def test_their_commands_exist(self, program: str, services: Services) -> None:
        from cli.main import app  # noqa: PLC0415

        name, *arguments = services[program]["command"]
        group = typer.main.get_command(app)
        command = group.get_command(typer.Context(group), name)  # type: ignore[attr-defined]
        with command.make_context(name, arguments):
            pass


class TestFiles:
    def test_what_is_mounted_exists_and_volumes_are_declared(self, compose: dict[str, Any], services: Services) -> None:
        used = set()
        for service in services.values():
            for volume in service.get("volumes", []):
                source, _, rest = volume.partition(":")
                if source.startswith("."):
                    assert (ROOT / source).is_dir(), volume
                    assert rest.endswith(":ro"), volume
                else:
                    used.add(source)
        assert used == set(compose["volumes"])
