"""The program: starts, says what is wrong in one sentence, stops on SIGTERM."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api.program import run
from core.errors import SettingsError
from core.settings import Settings

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from api.program import run
from core.logs import configure_logging
from core.settings import load_settings

configure_logging("info")
run(load_settings())
print("ended well", flush=True)
"""


class TestRun:
    def test_a_taken_port_is_one_sentence_with_its_setting(self, settings: Settings) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(SettingsError, match=rf"^KREISPULS_API_PORT: port {port} on 127\.0\.0\.1 is taken"):
                run(settings.model_copy(update={"api_port": port}))

    @pytest.mark.parametrize("host", ["203.0.113.7", "x" * 64])
    def test_a_wrong_address_names_its_setting(self, settings: Settings, host: str) -> None:
        with pytest.raises(SettingsError, match=r"^KREISPULS_API_HOST: "):
            run(settings.model_copy(update={"api_host": host}))

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_serves_until_told_to_stop(
        self, tmp_path: Path, wait_until: Callable[..., object], number: signal.Signals
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KREISPULS_")}
        environment = inherited | {
            "KREISPULS_API_PORT": str(port),
            "KREISPULS_DATA_DIR": str(tmp_path / "data"),
            "KREISPULS_MQTT_URL": "mqtt://127.0.0.1:1",
            "PYTHONPATH": str(ROOT),
        }
        log = (tmp_path / "log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, stdout=log, stderr=log
        )

        def answers() -> bool:
            assert process.poll() is None, (tmp_path / "log").read_text()
            try:
                return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
            except httpx.TransportError:
                return False

        try:
            wait_until(answers, "the API answers", 60)
            with httpx.stream("GET", f"http://127.0.0.1:{port}/v1/live", timeout=30) as stream:
                assert stream.status_code == 200
                process.send_signal(number)  # a listener that stays does not keep the program from stopping
                assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
            log.close()
        written = (tmp_path / "log").read_text()
        assert f"API at http://127.0.0.1:{port}" in written
        assert "ended well" in written
        assert "Traceback" not in written
