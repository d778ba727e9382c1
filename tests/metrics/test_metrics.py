"""What Prometheus reads: the numbers of a daemon that runs, in forms that Prometheus itself takes."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from nextbridge.config.model import MetricsSettings
from nextbridge.config.types import Secret
from nextbridge.driver import Outgoing, Receipt, Rejected, Retry
from nextbridge.http.client import open_session
from tests.core.conftest import daemon
from tests.core.script import Daemon, RunDaemon, ScriptDriver, rule

__all__ = ["daemon"]

DOCS = Path(__file__).parents[2] / "docs/prometheus"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PROMTOOL = shutil.which("promtool")
with_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs the Debian package prometheus")


@asynccontextmanager
async def measured(daemon: RunDaemon, *, token: str | None = None) -> AsyncIterator[Daemon]:
    """A relay from a to b, which takes one message, refuses one for good, and cannot take the third for now."""
    settings = MetricsSettings(token=None if token is None else Secret(token))
    platforms = {"a": ScriptDriver, "b": ScriptDriver, "c": ScriptDriver}
    rules = (rule("r", "a/1", "b/1"), rule("to c", "a/2", to=["c/1"], enabled=False))
    async with daemon(*rules, metrics=settings, **platforms) as running:
        b = running["b"]

        async def answer(message: Outgoing) -> Receipt:
            match message.text:
                case "never":
                    raise Rejected("too ugly")
                case "later":
                    raise Retry("too busy", after=60)
                case _:
                    return await b.deliver(message)

        b.answer = answer
        for text in ("now", "never", "later", "behind"):
            await running["a"].post(text)
        await running["a"].post("nowhere", channel="9")
        await b.until(lambda: [each.text for each in b.sent] == ["now", "never", "later"])
        yield running


async def scrape(running: Daemon, *, accept: str = "", token: str | None = None) -> tuple[int, str, str]:
    headers = {"Accept": accept} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    address = f"{running.service.http.address}/metrics"
    async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as answer:
        return answer.status, answer.headers.get("Content-Type", ""), await answer.text()


def samples(text: str, parse: Callable[[str], Iterable[Metric]] = openmetrics) -> dict[tuple[str, ...], float]:
    """Each value under its name and its labels' values, in the order of the labels' names."""
    return {
        (sample.name, *(sample.labels[each] for each in sorted(sample.labels))): sample.value
        for family in parse(text)
        for sample in family.samples
    }


async def test_the_numbers_are_those_of_the_relay(daemon: RunDaemon) -> None:
    """What was accepted, shown, refused, skipped, and what waits, with whose it is."""
    async with measured(daemon) as running:
        async with asyncio.timeout(10):
            while running.service.tally.count("postponed") < 1:  # noqa: ASYNC110 - a count tells nobody
                await asyncio.sleep(0.01)
        status, kind, text = await scrape(running, accept=OPENMETRICS)
    assert (status, kind.split(";")[0]) == (200, "application/openmetrics-text")
    found = samples(text)
    expected = {
        ("nextbridge_events_accepted_total", "a"): 4,
        ("nextbridge_deliveries_total", "b", "r"): 1,
        ("nextbridge_deliveries_buried_total", "b", "r"): 1,
        ("nextbridge_deliveries_postponed_total", "b", "limit"): 1,
        ("nextbridge_events_skipped_total", "a", "no_rule", ""): 1,
        ("nextbridge_waiting_deliveries", "b"): 2,
        ("nextbridge_waiting_deliveries", "a"): 0,
        ("nextbridge_waiting_lanes", "b"): 1,
        ("nextbridge_dead_letters",): 1,
        ("nextbridge_instance_up", "b", "script"): 1,
        ("nextbridge_instance_state", "b", "connected"): 1,
        ("nextbridge_instance_state", "b", "paused"): 0,
        ("nextbridge_delivery_seconds_count", "b"): 1,
        ("nextbridge_delivery_seconds_bucket", "b", "+Inf"): 1,
        ("nextbridge_lag_seconds_bucket", "b", "86400.0"): 0,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert 0 < found["nextbridge_delivery_seconds_sum", "b"] < 10
    assert found["process_resident_memory_bytes",] > 1_000_000


async def test_requests_of_drivers_are_counted_by_their_status(daemon: RunDaemon) -> None:
    """Each session that is opened for an instance tells it; codes of a kind are one number, but the rate limit."""

    async def say(request: web.Request) -> web.Response:
        return web.Response(status=int(request.query["status"]))

    app = web.Application()
    app.router.add_get("/", say)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with daemon(rule("r", "a/1", "b/1"), metrics=MetricsSettings(), a=ScriptDriver, b=ScriptDriver) as running:
        async with await open_session(answered=running["a"].host.answered) as session:
            for status in (200, 201, 401, 404, 429, 429, 429, 503):
                async with session.get(address, params={"status": status}):
                    pass
            await runner.cleanup()
            with pytest.raises(aiohttp.ClientError):
                await session.get(address)
        _, _, text = await scrape(running, accept=OPENMETRICS)
    found = {key[2]: value for key, value in samples(text).items() if key[0] == "nextbridge_api_calls_total"}
    assert found == {"2xx": 2, "4xx": 2, "429": 3, "5xx": 1, "none": 1}


async def test_an_older_prometheus_gets_its_own_form(daemon: RunDaemon) -> None:
    """With the same numbers."""
    async with measured(daemon) as running:
        _, kind, text = await scrape(running)
    assert kind.startswith("text/plain")
    assert samples(text, plain)["nextbridge_deliveries_total", "b", "r"] == 1


async def test_a_token_keeps_others_out(daemon: RunDaemon) -> None:
    """Nothing is told without it; the token itself is in no answer."""
    async with measured(daemon, token="tok-of-metrics") as running:
        assert (await scrape(running))[0] == 401
        assert (await scrape(running, token="tok-of-metric"))[0] == 401
        assert (await scrape(running, token="tök"))[0] == 401
        status, _, text = await scrape(running, token="tok-of-metrics")
    assert status == 200
    assert "tok-of-metrics" not in text


async def test_without_the_setting_there_is_none(daemon: RunDaemon) -> None:
    """It is for who asks for it."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        assert (await scrape(running))[0] == 404


async def test_what_is_documented_is_there(daemon: RunDaemon) -> None:
    """Each metric that the dashboard and the alerts use, and each has its line in the docs, and no other has."""
    async with measured(daemon) as running:
        _, _, text = await scrape(running, accept=OPENMETRICS)
    parse: Callable[[str], Iterable[Metric]] = openmetrics
    families = {family.name: family for family in parse(text)}
    names = set(re.findall(r"^# TYPE (nextbridge_\w+) ", text, re.MULTILINE))
    used = set(re.findall(r"nextbridge_\w+", (DOCS / "alerts.yml").read_text() + (DOCS / "grafana.json").read_text()))
    assert {re.sub(r"_(total|bucket|sum|count)$", "", each) for each in used} <= names
    page = (DOCS.parent / "monitoring.md").read_text()
    lines = re.findall(r"^\| `(nextbridge_\w+?)(?:_total)?` \| ?([^|]*?) ?\| (.*) \|$", page, re.MULTILINE)
    assert {name for name, _, _ in lines} == names
    for name, labels, said in lines:
        assert families[name].documentation in said
        shown = {label for sample in families[name].samples for label in sample.labels} - {"le"}
        assert shown <= set(labels.split(", ")), name


def test_the_dashboard_and_the_alerts_can_be_read() -> None:
    """As Grafana and Prometheus do: each panel has a query, each alert an expression."""
    board = json.loads((DOCS / "grafana.json").read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(target["expr"] for panel in board["panels"] for target in panel["targets"])
    (group,) = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    assert all(each["expr"] and each["annotations"]["summary"] for each in group["rules"])


@with_promtool
def test_promtool_takes_the_alerts() -> None:
    """Prometheus's own checker finds nothing wrong with the rules, nor with the dashboard's queries."""
    verdict = subprocess.run(
        [PROMTOOL or "", "check", "rules", DOCS / "alerts.yml"], capture_output=True, text=True, check=False
    )
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


@with_promtool
async def test_promtool_takes_the_metrics(daemon: RunDaemon) -> None:
    """It has nothing to say about names, units and help texts."""
    async with measured(daemon) as running:
        _, _, text = await scrape(running)
    command = [PROMTOOL or "", "check", "metrics"]
    verdict = await asyncio.to_thread(subprocess.run, command, input=text, capture_output=True, text=True, check=False)
    assert (verdict.returncode, verdict.stdout + verdict.stderr) == (0, "")


@with_promtool
def test_promtool_takes_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    """As expressions of recording rules, which it can check."""
    board = json.loads((DOCS / "grafana.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    verdict = subprocess.run([PROMTOOL or "", "check", "rules", file], capture_output=True, text=True, check=False)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
