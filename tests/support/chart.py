"""Renders the Helm chart with Go's own template engine, as WebAssembly under node; no Helm is needed.

`python -m tests.support.chart` writes deploy/kubernetes, which is the chart as it renders by default.
"""

import json
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.sandbox import ROOT

CHART = ROOT / "deploy" / "helm" / "feedback-forwarder"
KUBERNETES = ROOT / "deploy" / "kubernetes"
TEMPLATES = sorted((CHART / "templates").glob("*"))
ENGINE = "@evertdespiegeleer/go-template@1.0.2"
PROGRAM = """
import {parse} from '@evertdespiegeleer/go-template';
const {templates, values} = JSON.parse(await new Response(process.stdin).text());
const rendered = {};
for (const [name, text] of Object.entries(templates)) rendered[name] = await parse(text, values);
process.stdout.write(JSON.stringify(rendered), () => process.exit(0));
"""
HEAD = "# Written by `python -m tests.support.chart`: the chart as it renders by default.\n"
KEDA = {"keda.yaml"}


@cache
def engine() -> Path:
    """A folder with the engine in it; skips where there is no node or no registry."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.skip("this machine has no node")
    folder = Path(tempfile.mkdtemp(prefix="chart-"))
    command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", ENGINE]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not come to an end: no registry within reach")
    if done.returncode:
        pytest.skip(f"npm cannot install the template engine here: {done.stderr.strip()[-200:]}")
    return folder


def render(**changed: Any) -> dict[str, str]:  # noqa: ANN401 - any YAML
    """The files that the chart renders to, by name; empty ones left out.

    Args:
        changed: values that differ from the chart's.
    """
    values = _merged(yaml.safe_load((CHART / "values.yaml").read_text()), changed)
    scope = {"Values": values, "Release": {"Name": "forwarder", "Namespace": "feedback"}}
    given = {"templates": {path.name: path.read_text() for path in TEMPLATES}, "values": scope}
    done = subprocess.run(
        ["node", "--input-type=module", "-e", PROGRAM],  # noqa: S607 - the machine's
        cwd=engine(),
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NODE_NO_WARNINGS": "1"},
    )
    assert done.returncode == 0, done.stderr
    rendered: dict[str, str] = json.loads(done.stdout)
    return {name: text.strip() + "\n" for name, text in rendered.items() if text.strip()}


def _merged(values: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """As Helm does it: maps are merged, and null takes a value away."""
    found = dict(values)
    for name, value in changed.items():
        both_maps = isinstance(value, dict) and isinstance(found.get(name), dict)
        found[name] = _merged(found[name], value) if both_maps else value
    return {name: value for name, value in found.items() if value is not None}


def resources(text: str) -> list[dict[str, Any]]:
    """The resources of a file."""
    return [one for one in yaml.safe_load_all(text) if one]


def as_kustomize() -> dict[Path, str]:
    """The files of deploy/kubernetes that come from the chart."""
    base = {KUBERNETES / "base" / name: text for name, text in render().items() if name.endswith(".yaml")}
    with_keda = render(keda={"enabled": True})
    keda = {KUBERNETES / "keda" / name: with_keda[name] for name in KEDA}
    return {path: HEAD + text for path, text in (base | keda).items()}


if __name__ == "__main__":
    for path, text in as_kustomize().items():
        path.write_text(text)
