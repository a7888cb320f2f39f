"""Debian's own cron, in containers whose clocks are moved to the nights in which Europe's clocks change."""

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import docker
from docker.models.containers import Container

from tests.engine.kit import Kit, ask, wait_until

DOCKERFILE = """\
FROM {image}
USER root
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends cron libfaketime
"""
MANIFEST = """\
timezone = "UTC"
[[bot]]
id = "b"
symbols = ["AAPL"]
at = "01:00"
grace = "50s"
"""
CODE = "def run(ctx):\n    ctx.hold('AAPL', reason='fine')\n"
# The clock is moved at the very last moment, so that cron is there some seconds before the slot however slow all is.
START = """\
set -eu
ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime
faketime=$(echo /usr/lib/*/faketime/libfaketime.so.1)
moved() { env LD_PRELOAD="$faketime" FAKETIME="+$offset" "$@"; }
offset=$((SLOT - 60 - $(date +%s)))
moved openbell crontab --strategies /kit/strategies --data /data >/lines
offset=$((SLOT - 8 - $(date +%s)))
printf '%s\\n' "LD_PRELOAD=$faketime" "FAKETIME=+$offset" | cat - /lines | tee /crontab | crontab -
grep -E '^[A-Z_]+=' /crontab >/settings
moved cron -f
"""


def last_sunday(year: int, month: int) -> datetime:
    """Return 01:00 UTC of the month's last Sunday, when all of Europe changes its clocks; the month has 31 days."""
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=last.isoweekday() % 7)


@contextmanager
def host(engine: docker.DockerClient, image: str, slot: datetime) -> Iterator[Container]:
    """A machine in Berlin some seconds before a slot, with the printed crontab and a cron that runs."""
    container = engine.containers.create(
        image,
        ["sh", "-c", START],
        user="root",
        environment={"SLOT": str(int(slot.timestamp()))},
        init=True,
        network_mode="none",
    )
    try:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, text in {"strategy.toml": MANIFEST, "strategy.py": CODE}.items():
                entry = tarfile.TarInfo(f"kit/strategies/demo/{name}")
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text.encode()))
        container.put_archive("/", packed.getvalue())
        container.start()
        yield container
    finally:
        container.remove(force=True, v=True)


def whole_journal(container: Container) -> list[dict[str, object]]:
    """Return the journal once `once` has ended, or nothing."""
    found = lines(container)
    return found if any(line["event"] == "service_stop" for line in found) else []


def lines(container: Container) -> list[dict[str, object]]:
    """Return the journal."""
    output = ask(container, "sh", "-c", "cat /data/journal/demo/*.jsonl 2>/dev/null || true")
    return [json.loads(line) for line in output.splitlines()]


def test_a_slot_runs_once_at_its_time_through_real_cron_in_both_nights(engine: docker.DockerClient, kit: Kit) -> None:
    """At the instant at which the clock jumps from 2 to 3, and at that at which it falls back from 3 to 2."""
    image = f"{kit.project}/cron:local"
    engine.images.build(
        fileobj=io.BytesIO(DOCKERFILE.format(image=kit.image("supervisor")).encode()), tag=image, rm=True
    )
    year = datetime.now(UTC).year + 1
    slots = {month: last_sunday(year, month) for month in (3, 10)}
    with ExitStack() as stack:
        hosts = {month: stack.enter_context(host(engine, image, slot)) for month, slot in slots.items()}
        for month, container in hosts.items():
            found = wait_until(partial(whole_journal, container), f"the run of month {month}", container=container)
            zone = ask(container, "sh", "-c", "set -a; . /settings; date +%Z").strip()
            assert zone == {3: "CEST", 10: "CET"}[month]  # the clock has changed by now
            (start,) = [line for line in found if line["event"] == "run_start"]
            (end,) = [line for line in found if line["event"] == "run_end"]
            assert (start["slot"], start["trigger"]) == (f"{slots[month]:%Y-%m-%dT%H:%M:%S.000Z}", "cron")
            assert 0 <= float(str(start["lateness_ms"])) < 50_000
            assert end["outcome"] == "succeeded"
            # The log has what the journal has, and a start by hand finds nothing to do.
            log = ask(container, "cat", "/data/logs/demo.log")
            assert [json.loads(line)["event"] for line in log.splitlines()] == [line["event"] for line in found]
            again = "set -a; . /settings; openbell once demo; echo $?"
            assert ask(container, "sh", "-c", again).strip() == "0"
            assert lines(container) == found
            # The line that looks for missed runs was due too: it has begun, with nothing to tell.
            ask(container, "test", "-f", "/data/state/missed-demo.sqlite")
