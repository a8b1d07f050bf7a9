"""The own files on the way of a reading (from the MQTT client to stored, judged, acknowledged) and of a presence.

Ingest runs here with its keeping part as a thread, on SQLite and Mosquitto. Every file of ours in which a function is
called between the message and its acknowledgement (or the lamp's `set_light`) counts, whatever thread calls it; those
that are also called while nothing comes (timers, jobs) are counted apart. Another checkout is traced the same way from
within its folder: `cd OTHER; .venv/bin/python THIS/benchmarks/trace.py`. The last line of output is one JSON object.
"""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

HERE = Path.cwd()
sys.path.insert(0, str(HERE))
IDLE_S = 4.0

from core.device import Device, Municipality  # noqa: E402 - of the checkout that is traced
from core.settings import Settings  # noqa: E402

seen: set[str] | None = None


def note(frame: FrameType, event: str, _argument: Any) -> None:
    """Called by the interpreter for every call in every thread."""
    if event == "call" and seen is not None:
        seen.add(frame.f_code.co_filename)


def own(files: set[str]) -> list[str]:
    """Files of the checkout, without its environment, tests and benchmarks."""
    paths = [Path(file) for file in files if file.startswith(f"{HERE}/")]
    names = [path.relative_to(HERE) for path in paths]
    return sorted(str(name) for name in names if name.parts[0] not in {".venv", "tests", "benchmarks"})


def main() -> None:
    """Trace and print."""
    mosquitto = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if mosquitto is None:
        sys.exit("mosquitto is not installed")
    with tempfile.TemporaryDirectory(prefix="kreispuls-bench-") as name, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        broker = subprocess.Popen([mosquitto, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            figures = trace(Settings(data_dir=Path(name), mqtt_url=f"mqtt://127.0.0.1:{port}", ingest_metrics_port=0))
        finally:
            broker.terminate()
            broker.wait(10)
    for what in ("reading", "presence"):
        print(f"\n{what}: {figures[f'{what}_files']} files")
        for file in figures.pop(f"{what}_paths"):
            print(f"    {file}")
    figures |= {"benchmark": "trace", "python": platform.python_version()}
    print(json.dumps(figures))


def trace(settings: Settings) -> dict[str, Any]:
    """Count for a reading of a bin and a presence at a lamp."""
    try:
        from state.state import open_state  # noqa: PLC0415
    except ImportError:  # before the stores had folders of their own
        from storage.state import open_state  # type: ignore[import-not-found, no-redef] # noqa: PLC0415
    from ingest.program import run  # noqa: PLC0415

    state = open_state(settings.state_url)
    state.municipalities.put(Municipality(municipality="marburg", name="Marburg"))
    kinds = {"b1": "waste_bin", "l1": "streetlight"}
    state.devices.put_many(
        [Device(device_id=name, device_type=kind, municipality="marburg") for name, kind in kinds.items()]
    )
    state.close()
    stop = threading.Event()
    threading.setprofile(note)
    program = threading.Thread(target=run, args=(settings, stop), kwargs={"own_process": False})
    program.start()
    device = _Device(int(settings.mqtt_url.rpartition(":")[2]))
    device.wait(b"online")
    topic = "kreispuls/v1/marburg/{}/event/up"
    for _ in range(2):  # what is done once only is done by now
        device.say(topic.format("waste_bin/b1"), b'{"filling_level":0.3}')
        time.sleep(IDLE_S / 2)

    def say_reading() -> None:
        device.say(topic.format("waste_bin/b1"), b'{"filling_level":0.4}')
        time.sleep(0.5)

    def say_presence() -> None:
        device.say(topic.format("streetlight/l1"), b'{"presence":true}')
        device.wait(b"set_light")

    idle = record(lambda: time.sleep(IDLE_S))
    reading, presence = record(say_reading), record(say_presence)
    stop.set()
    program.join(30)
    device.close()
    return {
        "reading_files": len(own(reading)),
        "reading_files_that_idle_uses_too": len(own(reading & idle)),
        "reading_paths": own(reading),
        "presence_files": len(own(presence)),
        "presence_files_that_idle_uses_too": len(own(presence & idle)),
        "presence_paths": own(presence),
    }


def record(act: Callable[[], object]) -> set[str]:
    """The files of all calls while something is done."""
    global seen  # noqa: PLW0603 - the interpreter calls `note` with nothing of ours
    found: set[str] = set()
    seen = found
    act()
    seen = None
    return found


class _Device:
    """Publishes with QoS 1 and hears commands and the status of ingest, without any code of ours."""

    def __init__(self, port: int) -> None:
        deadline = time.monotonic() + 10
        while True:
            try:
                self._wire = socket.create_connection(("127.0.0.1", port), timeout=30)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self._heard = b""
        filter_ = b"kreispuls/v1/#"
        body = b"\x00\x01" + len(filter_).to_bytes(2, "big") + filter_ + b"\x00"
        self._wire.sendall(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x00\x00\x06device" + b"\x82" + bytes([len(body)]) + body)

    def say(self, topic: str, payload: bytes) -> None:
        name = topic.encode()
        rest = len(name).to_bytes(2, "big") + name + b"\x00\x07" + payload
        self._wire.sendall(b"\x32" + bytes([len(rest)]) + rest)

    def wait(self, text: bytes) -> None:
        while text not in self._heard:
            self._heard += self._wire.recv(65_536)
        self._heard = b""

    def close(self) -> None:
        self._wire.close()


if __name__ == "__main__":
    main()
