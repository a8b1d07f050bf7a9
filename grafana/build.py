"""Writes grafana/dashboards/*.json from the code beside it: `python -m grafana.build`; `--check` only compares."""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import operations, region, streetlights, waste_bins

DASHBOARDS = Path(__file__).parent / "dashboards"
BUILDERS = {
    "region": region.build,
    "streetlights": streetlights.build,
    "waste_bins": waste_bins.build,
    "operations": operations.build,
}


def dashboards() -> dict[str, str]:
    """The text of every dashboard file by its name."""
    built = {}
    for name, build in BUILDERS.items():
        dashboard = build().build()
        for number, panel in enumerate(dashboard.panels or [], start=1):
            panel.id_val = number
        text = json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        built[f"{name}.json"] = text + "\n"
    return built


def main(arguments: list[str]) -> int:
    """Write the files, or name those that differ; exit status 1 when some do."""
    different = []
    for name, text in dashboards().items():
        path = DASHBOARDS / name
        if arguments == ["--check"]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                different.append(name)
        else:
            path.write_text(text, encoding="utf-8")
    if different:
        sys.stderr.write(f"{', '.join(different)} in {DASHBOARDS} is not what the code builds: run grafana.build\n")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
