"""Kill an engine again and again while it runs strategies, and count: in a stand-in machine, never the one outside."""

import random
import time
from collections.abc import Callable
from functools import partial

import docker

from tests.engine.kit import Kit, wait_until
from tests.faults.kills import BOT, Count, judge
from tests.machine.machine import Machine, running_machine

CONTAINERS = ("one", "two")
APART = (8.0, 12.0)  # seconds between two kills


def kill_engine_for(engine: docker.DockerClient, kit: Kit, kills: int, seed: int, say: Callable[[str], None]) -> Count:
    """Kill the engine of a stand-in machine so many times under containers of the fixture `chaos`; return what was counted."""
    chance = random.Random(seed)
    count = Count()
    with running_machine(engine) as machine:
        machine.bring(kit.image(BOT))
        for name in CONTAINERS:
            volumes = [part for place in ("journal", "state", "control") for part in ("-v", f"{name}-{place}:/{place}")]
            run = ("run", "-d", "--init", "--network", "none", "--restart", "unless-stopped", "--name", name, *volumes)
            machine.docker(*run, kit.image(BOT))
        for number in range(kills):
            time.sleep(chance.uniform(*APART))
            machine.kill_engine()
            count.kills["engine"] += 1
            say(f"engine killed {number + 1} of {kills} times")
        time.sleep(4)
        for name in CONTAINERS:
            for command in ("restart", "restart"):  # what the last kill left open is settled by then
                machine.docker(command, "-t", "20", name)
                time.sleep(3)
            wait_until(partial(is_up, machine, name), f"{name} to be up", 60, machine.container)
            judge(name, partial(machine.docker, "exec", name), count)
    return count


def is_up(machine: Machine, name: str) -> bool:
    """Tell whether commands can be run in one of the machine's containers."""
    return machine.container.exec_run(["docker", "exec", name, "true"]).exit_code == 0
