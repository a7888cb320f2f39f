"""The metrics under Prometheus itself: its own checks of format, rules and configuration, and a real scrape."""

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.browser.supervisor import Supervisor
from tests.installed import Installed
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
METRICS = ROOT / "compose" / "metrics"
DASHBOARD = METRICS / "grafana" / "dashboards" / "openbell.json"

# What the rules say of some made-up series, by promtool's own test runner.
RULE_TESTS = """
rule_files: [RULES]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - {series: 'up{job="openbell"}', values: '1x4 0x20'}
      - {series: 'openbell_watch_idle_seconds', values: '0.5x24'}
    alert_rule_test:
      - {eval_time: 1m, alertname: OpenbellSupervisorDown, exp_alerts: []}
      - eval_time: 3m
        alertname: OpenbellSupervisorDown
        exp_alerts:
          - exp_labels: {severity: critical, job: openbell}
            exp_annotations:
              summary: "openbell's supervisor does not answer"
              description: "Strategies are not watched. See its log: make logs STRATEGY=supervisor"
      - {eval_time: 3m, alertname: OpenbellSupervisorStalled, exp_alerts: []}
  - interval: 15s
    input_series:
      - {series: 'openbell_bot_healthy{strategy="s",bot="b"}', values: '1x4 0x20'}
      - {series: 'openbell_bot_healthy{strategy="s",bot="c"}', values: '1x24'}
    alert_rule_test:
      - {eval_time: 75s, alertname: OpenbellBotDown, exp_alerts: []}
      - eval_time: 3m
        alertname: OpenbellBotDown
        exp_alerts:
          - exp_labels: {severity: critical, strategy: s, bot: b}
            exp_annotations: {summary: "b of s is down", description: "The status page says why."}
  - interval: 1m
    input_series:
      - {series: 'openbell_slots_total{strategy="s",outcome="missed",reason="unheard"}', values: '0x30 1x30 1x90'}
      - {series: 'openbell_slots_total{strategy="s",outcome="succeeded",reason=""}', values: '0+1x150'}
      - {series: 'openbell_slots_total{strategy="t",outcome="succeeded",reason=""}', values: '0+1x150'}
      - {series: 'openbell_slots_total{strategy="t",outcome="failed",reason=""}', values: '0+1x150'}
    promql_expr_test:
      - expr: count(ALERTS{alertname="OpenbellSlotsMissed",alertstate="firing"})
        eval_time: 40m
        exp_samples: [{labels: '{}', value: 1}]
      - {expr: 'count(ALERTS{alertname="OpenbellSlotsMissed"})', eval_time: 20m, exp_samples: []}
      - {expr: 'count(ALERTS{alertname="OpenbellSlotsMissed"})', eval_time: 140m, exp_samples: []}
      - expr: count by (strategy) (ALERTS{alertname="OpenbellRunsFailing",alertstate="firing"})
        eval_time: 60m
        exp_samples: [{labels: '{strategy="t"}', value: 1}]
  - interval: 1m
    input_series:
      - {series: 'openbell_run_lateness_seconds_bucket{strategy="s",le="1.0"}', values: '0+1x60'}
      - {series: 'openbell_run_lateness_seconds_bucket{strategy="s",le="5.0"}', values: '0+2x60'}
      - {series: 'openbell_run_lateness_seconds_bucket{strategy="s",le="+Inf"}', values: '0+2x60'}
      - {series: 'openbell_run_lateness_seconds_bucket{strategy="t",le="1.0"}', values: '0+1x60'}
      - {series: 'openbell_run_lateness_seconds_bucket{strategy="t",le="5.0"}', values: '0+1x60'}
      - {series: 'openbell_run_lateness_seconds_bucket{strategy="t",le="+Inf"}', values: '0+1x60'}
      - {series: 'openbell_beat_age_seconds{strategy="s"}', values: '90x60'}
      - {series: 'openbell_beat_age_seconds{strategy="t"}', values: '90x60'}
      - {series: 'openbell_strategy_status{strategy="s",status="up"}', values: '1x60'}
      - {series: 'openbell_strategy_status{strategy="t",status="down"}', values: '1x60'}
      - {series: 'openbell_alert_queue{channel="phone"}', values: '2x60'}
      - {series: 'openbell_alert_incidents_unacknowledged', values: '1x90'}
    promql_expr_test:
      - expr: count by (strategy, alertname) (ALERTS{alertstate="firing"})
        eval_time: 50m
        exp_samples:
          - {labels: '{strategy="s",alertname="OpenbellRunsLate"}', value: 1}
          - {labels: '{strategy="s",alertname="OpenbellBeatOld"}', value: 1}
          - {labels: '{strategy="t",alertname="OpenbellStrategyDown"}', value: 1}
          - {labels: '{alertname="OpenbellAlertsStuck"}', value: 1}
      - expr: count(ALERTS{alertname="OpenbellIncidentUnanswered",alertstate="firing"})
        eval_time: 70m
        exp_samples: [{labels: '{}', value: 1}]
"""


@pytest.fixture(scope="session", autouse=True)
def tools(installed: Installed) -> None:
    """Prometheus and promtool are there; they are installed if they are missing."""
    installed("prometheus")


def promtool(*arguments: str, said: str | None = None, cwd: Path = METRICS) -> str:
    """Return what promtool says; it must be content."""
    done = subprocess.run(
        ["promtool", *arguments], input=said, cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def fetch(address: str) -> str:
    """Return an address's answer."""
    with urllib.request.urlopen(address, timeout=5) as answer:
        return str(answer.read().decode())


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    """Prometheus' own check, of the rules that it names too."""
    shutil.copytree(METRICS, tmp_path / "metrics")
    _configure(tmp_path / "metrics", (tmp_path / "metrics" / "prometheus.yml").read_text())
    assert "10 rules found" in promtool("check", "config", "prometheus.yml", cwd=tmp_path / "metrics")


def test_the_rules_fire_when_they_should(tmp_path: Path) -> None:
    """And not before, and not for others."""
    file = tmp_path / "tests.yml"
    file.write_text(RULE_TESTS.replace("RULES", str(METRICS / "rules.yml")))
    assert "SUCCESS" in promtool("test", "rules", str(file))


def test_the_metrics_are_well_formed(supervisor: Supervisor) -> None:
    """No complaint about format, names, types or help."""
    assert promtool("check", "metrics", said=fetch(f"{supervisor.page}/metrics")) == ""


def test_what_is_asked_for_is_there(supervisor: Supervisor) -> None:
    """Every metric in the dashboard and in the rules is one that the supervisor tells."""
    asked = set(re.findall(r"openbell_[a-z_]+", DASHBOARD.read_text() + (METRICS / "rules.yml").read_text()))
    told = set(re.findall(r"^(openbell_[a-z_]+)", fetch(f"{supervisor.page}/metrics"), re.MULTILINE))
    without_channels = {"openbell_alert_queue"}  # a family without samples is not told: the demo has no channel
    assert asked <= told | without_channels


def _configure(folder: Path, config: str, token: str = "") -> None:
    """Write a configuration, with the token in a file as Compose gives it."""
    (folder / "read_token").write_text(token)
    (folder / "prometheus.yml").write_text(
        re.sub("credentials_file: .*", f"credentials_file: {folder}/read_token", config)
    )


@contextmanager
def prometheus(supervisor: Supervisor, folder: Path, token: str = "") -> Iterator[str]:
    """A real Prometheus with our rules, quicker than life, that scrapes the supervisor; gives its address."""
    config = (METRICS / "prometheus.yml").read_text().replace("15s", "1s")
    config = config.replace("supervisor:8080", f"127.0.0.1:{supervisor.port}").replace("rules.yml", "quick.yml")
    _configure(folder, config, token)
    (folder / "quick.yml").write_text(re.sub(r"for: \d+[sm]", "for: 1s", (METRICS / "rules.yml").read_text()))
    port = free_port()
    command = [
        "prometheus",
        *(f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        process.terminate()
        process.wait(20)


def ask(api: str, path: str) -> Any:
    """Return Prometheus' answer, or None while it does not answer."""
    try:
        return json.loads(fetch(f"{api}/{path}"))["data"]
    except OSError:
        return None


def test_prometheus_scrapes_and_a_rule_fires(supervisor: Supervisor, tmp_path: Path) -> None:
    """The bot that is down in the demo becomes an alert; every query of the dashboard is one that it can answer."""
    with prometheus(supervisor, tmp_path) as api:
        firing: set[tuple[str, str]] = set()
        wanted = {("OpenbellBotDown", "basket-3"), ("OpenbellStrategyDown", "broken")}
        until = time.monotonic() + 45
        while not wanted <= firing and time.monotonic() < until:
            found = ask(api, "alerts") or {"alerts": []}
            firing = {
                (one["labels"]["alertname"], one["labels"].get("bot") or one["labels"].get("strategy", ""))
                for one in found["alerts"]
                if one["state"] == "firing"
            }
            time.sleep(0.3)
        assert wanted <= firing, (tmp_path / "log").read_text()[-3000:]
        assert not any(name in {"OpenbellSupervisorDown", "OpenbellSupervisorStalled"} for name, _ in firing)
        for panel in json.loads(DASHBOARD.read_text())["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$strategy", ".*").replace("$__rate_interval", "1m")
                assert ask(api, f"query?query={urllib.parse.quote(query)}") is not None, query


@pytest.mark.long
def test_the_first_missed_slot_of_a_strategy_fires_its_rule(tmp_path: Path) -> None:
    """One slot of a day is missed, nothing before it: Prometheus has seen the counter at 0, and the rule fires."""
    for name in ("strategies/lonely", "journal", "control"):
        (tmp_path / name).mkdir(parents=True)
    due = datetime.now(UTC) + timedelta(seconds=30)
    manifest = f'timezone = "UTC"\n[[bot]]\nsymbols = ["AAPL"]\nat = "{due:%H:%M:%S}"\ngrace = "1s"\n'
    (tmp_path / "strategies" / "lonely" / "strategy.toml").write_text(manifest)
    with Supervisor(tmp_path) as one, prometheus(one, tmp_path) as api:
        query = "query?query=" + urllib.parse.quote('openbell_slots_total{outcome="missed",reason="unheard"}')
        values: list[str] = []
        fired = False
        until = time.monotonic() + 75
        while not fired and time.monotonic() < until:
            values += [sample["value"][1] for sample in (ask(api, query) or {"result": []})["result"]]
            found = (ask(api, "alerts") or {"alerts": []})["alerts"]
            fired = ("OpenbellSlotsMissed", "lonely") in {
                (alert["labels"]["alertname"], alert["labels"].get("strategy"))
                for alert in found
                if alert["state"] == "firing"
            }
            time.sleep(0.3)
    assert fired
    assert sorted(set(values)) == ["0", "1"]


@pytest.mark.parametrize("token", ["", "a-token-for-reading"])
def test_prometheus_reads_the_token_from_a_file(tmp_path: Path, token: str) -> None:
    """With the token it reads; without it the supervisor refuses."""
    for name in ("strategies", "journal", "control"):
        (tmp_path / name).mkdir()
    one = Supervisor(tmp_path)
    one.environment["OPENBELL_READ_TOKEN"] = "a-token-for-reading"
    one.status_headers["Authorization"] = "Bearer a-token-for-reading"
    with one, prometheus(one, tmp_path, token) as api:
        health = ""
        until = time.monotonic() + 45
        while health in {"", "unknown"} and time.monotonic() < until:
            targets = (ask(api, "targets") or {"activeTargets": []})["activeTargets"]
            health = targets[0]["health"] if targets else ""
            time.sleep(0.2)
    assert health == ("up" if token else "down")


@pytest.mark.engine
def test_the_profile_is_valid_compose() -> None:
    """Two services more with the profile, hardened like all others, and none without it."""
    subprocess.run([ROOT / "scripts" / "docker-ready"], check=True, timeout=600, capture_output=True)

    def config(*arguments: str) -> Any:
        command = ["docker", "compose", *arguments, "config", "--format", "json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
        return json.loads(done.stdout)["services"]

    assert not {"prometheus", "grafana"} & set(config())
    services = config("--profile", "metrics")
    for name in ("prometheus", "grafana"):
        service = services[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["mem_limit"]
        assert {port["host_ip"] for port in service["ports"]} == {"127.0.0.1"}
        assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"])
        for volume in service["volumes"]:
            assert volume["type"] == "volume" or Path(volume["source"]).exists()
