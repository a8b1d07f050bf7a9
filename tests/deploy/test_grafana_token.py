"""The job that makes Grafana's token, against a real InfluxDB."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

SCRIPT = Path(__file__).parents[2] / "deploy/influxdb/grafana_token.sh"

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="curl is missing: apt-get install curl")


@pytest.fixture
def operator(influxdb_server: Any) -> Iterator[httpx.Client]:
    """A connection that may do everything."""
    headers = {"Authorization": f"Token {influxdb_server.token}"}
    with httpx.Client(base_url=influxdb_server.url, headers=headers) as client:
        yield client


@pytest.fixture
def bucket(influxdb_server: Any, operator: httpx.Client) -> str:
    name = f"token-{uuid.uuid4().hex[:8]}"
    organisations = operator.get("/api/v2/orgs", params={"org": influxdb_server.org}).raise_for_status().json()
    operator.post("/api/v2/buckets", json={"name": name, "orgID": organisations["orgs"][0]["id"]}).raise_for_status()
    return name


@pytest.fixture
def job(influxdb_server: Any, bucket: str, tmp_path: Path) -> Any:
    def run(**changes: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "INFLUXDB_URL": influxdb_server.url,
            "INFLUXDB_TOKEN": influxdb_server.token,
            "INFLUXDB_ORG": influxdb_server.org,
            "INFLUXDB_BUCKET": bucket,
            "TOKEN_FILE": str(tmp_path / "grafana"),
        }
        return subprocess.run(
            ["sh", SCRIPT], env=environment | changes, capture_output=True, text=True, check=False, timeout=60
        )

    return run


def test_the_token_reads_the_bucket_and_nothing_else(
    job: Any, influxdb_server: Any, bucket: str, tmp_path: Path
) -> None:
    assert job().returncode == 0
    headers = {"Authorization": f"Token {(tmp_path / 'grafana').read_text()}"}
    here = {"org": influxdb_server.org}
    with httpx.Client(base_url=influxdb_server.url, headers=headers) as grafana:
        assert [found["name"] for found in grafana.get("/api/v2/buckets").json()["buckets"]] == [bucket]
        query = f'from(bucket: "{bucket}") |> range(start: -1h)'
        assert grafana.post("/api/v2/query", params=here, json={"query": query}).status_code == 200
        written = grafana.post("/api/v2/write", params=here | {"bucket": bucket}, content=b"x y=1")
        assert written.status_code == 403
        assert grafana.get("/api/v2/authorizations").json()["authorizations"] == []


def test_a_second_run_keeps_a_token_that_works(job: Any, tmp_path: Path) -> None:
    job()
    first = (tmp_path / "grafana").read_text()
    assert job().returncode == 0
    assert (tmp_path / "grafana").read_text() == first


def test_a_token_that_was_deleted_is_replaced(job: Any, operator: httpx.Client, tmp_path: Path) -> None:
    job()
    first = (tmp_path / "grafana").read_text()
    for authorization in operator.get("/api/v2/authorizations").json()["authorizations"]:
        if authorization["token"] == first:
            operator.delete(f"/api/v2/authorizations/{authorization['id']}").raise_for_status()
    assert job().returncode == 0
    assert (tmp_path / "grafana").read_text() not in ("", first)


def test_no_token_appears_in_the_output(job: Any, influxdb_server: Any, tmp_path: Path) -> None:
    done = job()
    assert influxdb_server.token not in done.stdout + done.stderr
    assert (tmp_path / "grafana").read_text() not in done.stdout + done.stderr


def test_a_missing_bucket_is_said(job: Any, tmp_path: Path) -> None:
    done = job(INFLUXDB_BUCKET="nowhere")
    assert done.returncode != 0
    assert "no bucket nowhere" in done.stderr
    assert not (tmp_path / "grafana").exists()


def test_a_wrong_token_makes_nothing(job: Any, tmp_path: Path) -> None:
    assert job(INFLUXDB_TOKEN="wrong").returncode != 0
    assert not (tmp_path / "grafana").exists()
