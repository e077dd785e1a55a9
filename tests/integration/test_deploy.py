"""What is in deploy/, as far as it can be held true without a cluster, an engine, or a boot."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from forwarder.embedded import server_binary
from forwarder.queue.partitions import configured
from forwarder.settings import Settings, load_settings
from forwarder.supervisor import STOP_MARGIN_S
from tests.support.chart import CHART, as_kustomize, render, resources
from tests.support.sandbox import ROOT
from tests.support.servers import redis_binary
from tests.support.tools import checked, of_machine

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
KUBERNETES = "1.31"
SECRETS = re.findall(r"^(\w+)=$", (DEPLOY / "compose.env.example").read_text(), re.MULTILINE)
"""What is filled in."""
LEADING = ("FORWARDER_REDIS_URL", "FORWARDER_CONTROL_URL", "FORWARDER_PARTITIONS", "FORWARDER_DURABILITY")
"""Variables that say where the queue is."""
GRACE_S = Settings.model_fields["shutdown_grace_s"].default + STOP_MARGIN_S
"""What a part needs to stop, at most."""

# The image


def test_hadolint_is_content() -> None:
    checked("hadolint", "Dockerfile", cwd=DEPLOY)


def test_the_image_runs_as_nobody_and_has_what_the_parts_need() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert re.findall(r"^ARG PYTHON=python:(\d+\.\d+\.\d+-slim-\w+)$", DOCKERFILE, re.MULTILINE)
    (extras,) = re.findall(r"^ARG EXTRAS=([a-z,]+)$", DOCKERFILE, re.MULTILINE)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"worker", "cli", "ingest"} <= set(extras.split(",")) <= set(known)


def test_the_builder_is_given_what_it_copies_and_no_more() -> None:
    given = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {name for names in copied for name in names.split()} == given
    assert all((ROOT / name).exists() for name in given)


# Compose


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 - any YAML
    """The compose file as Docker's own client reads it."""
    filled = re.sub(r"^(\w+)=$", r"\1=secret-\1", (DEPLOY / "compose.env.example").read_text(), flags=re.MULTILINE)
    return composed(tmp_path_factory.mktemp("c"), filled)


def composed(folder: Path, env: str) -> Any:  # noqa: ANN401 - any YAML
    """With these variables."""
    folder /= "deploy"
    shutil.copytree(DEPLOY, folder)
    (folder / "compose.env").write_text(env)
    command = ("docker-compose", "--env-file", "compose.env", "-f", "compose.yaml", "config", "--format", "json")
    return json.loads(checked(*command, cwd=folder))


def test_compose_has_all_parts_and_none_may_write_where_it_should_not(compose: Any) -> None:  # noqa: ANN401
    services = compose["services"]
    assert set(services) == {"queue", "serve", "worker", "prometheus", "grafana"}
    assert services["serve"]["deploy"]["replicas"] == services["worker"]["deploy"]["replicas"] == 2
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service["image"].endswith(":latest"), name


def test_what_compose_mounts_is_there_and_only_this_machine_is_let_in(compose: Any) -> None:  # noqa: ANN401
    for service in compose["services"].values():
        for mount in service.get("volumes", ()):
            assert mount["type"] == "volume" or Path(mount["source"]).exists(), mount
        assert {port["host_ip"] for port in service.get("ports", ())} <= {"127.0.0.1"}


def test_compose_leads_to_a_redis_of_ones_own_when_that_is_filled_in(compose: Any, tmp_path: Path) -> None:  # noqa: ANN401
    example = (DEPLOY / "compose.env.example").read_text()
    filled = re.sub(
        r"=$", "=for-the-test", re.sub(r"^#(?=[A-Z_]+=)", "", example, flags=re.MULTILINE), flags=re.MULTILINE
    )
    own = composed(tmp_path, filled)["services"]
    for services, scheme in ((compose["services"], "redis"), (own, "redis+")):
        for part in ("serve", "worker"):
            env = {name: value for name, value in services[part]["environment"].items() if name in LEADING}
            settings = load_settings(**{name.removeprefix("FORWARDER_").lower(): value for name, value in env.items()})
            assert settings.redis_url.startswith(scheme)
    assert own["worker"]["environment"]["FORWARDER_CONTROL_URL"].startswith("redis://worker:")


def test_compose_hands_no_part_the_secrets_of_another_one(compose: Any) -> None:  # noqa: ANN401
    ours = {
        "serve": {"INGEST_PASSWORD", "FORWARDER_INGEST_KEYS__WEB__KEY"},
        "worker": {"WORKER_PASSWORD", "FORWARDER_API_KEY"},
        "grafana": {"GRAFANA_PASSWORD"},
    }
    for name, service in compose["services"].items():
        handed = {secret for secret in SECRETS if f"secret-{secret}" in json.dumps(service)}
        assert handed == ours.get(name, set()), name


# Time to stop: for what is in flight, for what hangs, and a margin


def test_compose_waits_long_enough(compose: Any) -> None:  # noqa: ANN401
    for name in ("serve", "worker"):
        assert compose["services"][name]["stop_grace_period"] == "25s"
    assert GRACE_S < 25


def test_systemd_waits_long_enough() -> None:
    for unit in UNITS:
        (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit.read_text(), re.MULTILINE)
        assert int(seconds) > GRACE_S


def test_kubernetes_waits_long_enough() -> None:
    rendered = render()
    (config,) = resources(rendered["config.yaml"])
    grace_s = float(config["data"]["FORWARDER_SHUTDOWN_GRACE_S"]) + STOP_MARGIN_S
    for name in ("serve", "worker"):
        pod = resources(rendered[f"{name}.yaml"])[0]["spec"]["template"]["spec"]
        waits_s = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod["terminationGracePeriodSeconds"] > grace_s + waits_s


# Kubernetes


EXAMPLES = {path.stem: yaml.safe_load(path.read_text()) for path in (CHART / "examples").glob("*.yaml")}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"keda": {"enabled": True}, "nodeSelector": {"disk": "ssd"}, "podAnnotations": {}},
        {"networkPolicy": {"enabled": False}, "config": {}},
        {"networkPolicy": {"callerNamespaceLabels": {"team": "shop"}}},
        *EXAMPLES.values(),
    ],
    ids=["default", "keda", "open", "callers", *EXAMPLES],
)
def test_the_chart_renders_to_what_kubernetes_knows(changed: dict[str, Any]) -> None:
    rendered = render(**changed)
    assert ("keda.yaml" in rendered) == changed.get("keda", {}).get("enabled", False)
    for name, text in rendered.items():
        if not name.endswith(".yaml"):
            continue
        for resource in resources(text):
            if not resource["apiVersion"].startswith("keda.sh/"):
                kubernetes_validate.validate(resource, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_settings_that_fit_and_workers_for_all_its_partitions(name: str) -> None:
    values = EXAMPLES[name]
    rendered = render(**{**values, "keda": {**values["keda"], "enabled": True}})
    (config,) = resources(rendered["config.yaml"])
    given = {name.removeprefix("FORWARDER_").lower(): value for name, value in config["data"].items()}
    head = "".join((CHART / "examples" / f"{name}.yaml").read_text().partition("config:")[:1])
    urls = dict(re.findall(r"#? +worker-(redis|control)-url=(\S+)", head))
    settings = load_settings(**given, **{f"{which}_url": url for which, url in urls.items()})
    keys = [keys.events for keys in configured(settings, "default")]
    *_, scaled = resources(rendered["keda.yaml"])
    told = [trigger["metadata"] for trigger in scaled["spec"]["triggers"]]
    assert [one["stream"] for one in told] == keys
    assert all(("address" in one) != ("addresses" in one) for one in told)
    worker = resources(render(**values)["worker.yaml"])[0]["spec"]
    assert worker["replicas"] >= len(keys)
    env = {one["name"] for one in worker["template"]["spec"]["containers"][0]["env"]}
    assert ("FORWARDER_CONTROL_URL" in env) == ("control" in urls)


def test_the_pods_may_do_little() -> None:
    for name in ("serve", "worker"):
        pod = resources(render()[f"{name}.yaml"])[0]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not pod["automountServiceAccountToken"]
        assert not pod["enableServiceLinks"], "a Service named forwarder-ingest would set FORWARDER_INGEST_PORT"


def test_the_kustomize_base_is_the_chart() -> None:
    for path, text in as_kustomize().items():
        assert path.read_text() == text, f"{path}: python -m tests.support.chart writes it anew"


def test_kustomize_builds_the_base_and_the_components(tmp_path: Path) -> None:
    base = resources(checked("kubectl", "kustomize", str(DEPLOY / "kubernetes" / "base"), cwd=tmp_path))
    assert {one["kind"] for one in base} == {
        *("ConfigMap", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "Service"),
    }
    shutil.copytree(DEPLOY / "kubernetes", tmp_path / "kubernetes")
    overlay = tmp_path / "kubernetes" / "here"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(json.dumps({"resources": ["../base"], "components": ["../keda"]}))
    built = resources(checked("kubectl", "kustomize", str(overlay), cwd=tmp_path))
    scaled = {(one["kind"], one["metadata"]["name"]): one for one in built}
    assert "replicas" not in scaled["Deployment", "forwarder-worker"]["spec"]
    target = scaled["ScaledObject", "forwarder-worker"]["spec"]["scaleTargetRef"]["name"]
    assert ("Deployment", target) in scaled
    (overlay / "kustomization.yaml").write_text(json.dumps({"resources": ["../base"], "components": ["../cluster"]}))
    built = resources(checked("kubectl", "kustomize", str(overlay), cwd=tmp_path))
    of_cluster = {(one["kind"], one["metadata"]["name"]): one for one in built}
    assert of_cluster["ConfigMap", "forwarder-config"]["data"]["FORWARDER_PARTITIONS"] == "6"
    for part in ("serve", "worker"):
        pod = of_cluster["Deployment", f"forwarder-{part}"]["spec"]["template"]["spec"]
        assert "FORWARDER_CONTROL_URL" in {one["name"] for one in pod["containers"][0]["env"]}


# systemd


def test_systemd_takes_the_units_and_finds_them_closed(tmp_path: Path) -> None:
    analyze = of_machine("systemd-analyze")
    program = tmp_path / "forwarder"
    shutil.copy("/bin/true", program)
    for unit in UNITS:
        path = tmp_path / unit.name
        path.write_text(unit.read_text().replace("/opt/forwarder/bin/forwarder", str(program)))
        done = subprocess.run([analyze, "verify", str(path)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        said = checked(analyze, "security", "--offline=true", "--threshold=20", str(path), cwd=tmp_path)
        assert "Overall exposure level" in said


# Redis


@pytest.mark.parametrize("server", ["valkey", "redis"])
def test_redis_starts_with_the_configuration(tmp_path: Path, server: str) -> None:
    """It goes on to refuse the file of users, in which the passwords are missing: so it has read all before it."""
    (tmp_path / "redis.conf").write_text(
        (DEPLOY / "redis" / "redis.conf").read_text().replace("/etc/valkey", str(DEPLOY / "redis"))
    )
    binary = str(server_binary()) if server == "valkey" else redis_binary()
    command = [binary, "redis.conf", "--port", "0", "--unixsocket", "redis.sock", "--dir", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert "password hash must be" in done.stdout
    assert "FATAL CONFIG" not in done.stdout + done.stderr


def test_every_file_of_yaml_can_be_read() -> None:
    for path in DEPLOY.rglob("*.y*ml"):
        if "templates" not in path.parts:
            assert list(yaml.safe_load_all(path.read_text())), path
