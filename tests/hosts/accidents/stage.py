"""What the accidents happen to: three hosts that one strategy is deployed to, the database that they share, and the broker."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, get_args

import docker

from tests.engine.kit import ROOT, Kit, make_kit, removed_afterwards, wait_until
from tests.hosts.accidents.databases import Databases
from tests.hosts.accidents.nodes import HOSTS, Node, running_nodes

STRATEGY, BOT = "ordering", "five"
BROKER_PORT = 8000
LONGEST = 900.0  # seconds for one command
LONG = 20.0  # seconds: longer than a lease, and the time that an order may be on its way

Memory = Literal["remembers", "forgets"]  # what the broker does with ids of orders that are filled
MEMORIES: tuple[Memory, ...] = get_args(Memory)


class Stage:
    """All of it, with what a person can do and see."""

    def __init__(self, nodes: dict[str, Node], databases: Databases, kit: Kit) -> None:
        self.nodes, self.databases, self.kit = nodes, databases, kit
        self.hosts = {name: nodes[name] for name in HOSTS}
        self._words = 0

    # What a person does

    def run(self, *words: str) -> tuple[int, str]:
        """Run a command of make's; return its exit code and what it prints."""
        command = self._start(*words)
        said, _ = command.communicate(timeout=LONGEST)
        return command.returncode, said

    def _start(self, *words: str) -> "subprocess.Popen[str]":
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("OPENBELL_", "COMPOSE_"))}
        config = self.hosts["a"].keys.config
        given = {"OPENBELL_SSH_CONFIG": str(config), "PYTHONPATH": f"{self.kit.folder}:{self.kit.folder}/images"}
        return subprocess.Popen(
            (sys.executable, "-m", "deploy", *words), cwd=self.kit.folder, env=ours | given,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def deploy(self) -> None:
        """Change the strategy, and deploy it to all hosts, one after the other."""
        command = self.begin_deploy()
        said, _ = command.communicate(timeout=LONGEST)
        assert command.returncode == 0, f"deploy: exit code {command.returncode}\n{said}"

    def begin_deploy(self) -> "subprocess.Popen[str]":
        """Change the strategy, and begin to deploy it."""
        self._words += 1
        path = self.kit.folder / "strategies" / STRATEGY / "strategy.py"
        lines = path.read_text().splitlines()
        changed = [f'WORDS = "change {self._words}"' if line.startswith("WORDS = ") else line for line in lines]
        path.write_text("\n".join([*changed, ""]))
        return self._start("deploy", f"HOST={','.join(HOSTS)}")

    def adopt(self) -> None:
        """Take the broker's word for what is held."""
        self.run("reconcile", f"STRATEGY={STRATEGY}", "ADOPT=1", f"HOST={self.owner()}")

    # What one sees

    def owner(self) -> str:
        """Return the name of the host that runs the strategy."""
        return self.databases.ask(f"SELECT host FROM openbell.owners WHERE strategy = '{STRATEGY}'")  # noqa: S608 - as written here

    def owners_host(self) -> Node:
        """Return the host that runs the strategy."""
        return self.hosts[self.owner()]

    def waiting_hosts(self) -> tuple[Node, Node]:
        """Return the hosts that do not."""
        owner = self.owner()  # asked once: it may change between two questions
        one, other = (host for name, host in self.hosts.items() if name != owner)
        return one, other

    def refuses(self) -> bool:
        """Tell whether the newest order was refused because the broker holds what the ledger does not know of."""
        newest = self.databases.ask(
            "SELECT line FROM openbell.journal WHERE line::json->>'event' = 'decision' ORDER BY number DESC LIMIT 1"
        )
        return "unexplained difference" in newest

    def orders(self) -> list[dict[str, object]]:
        """Return the orders that the broker has accepted, in order."""
        with urllib.request.urlopen(f"http://{self.nodes['broker'].address}:{BROKER_PORT}/log", timeout=10) as answer:
            found: list[dict[str, object]] = json.loads(answer.read())["orders"]
        return found

    def processes(self, host: Node) -> list[int]:
        """Return the processes of the strategy on a host, its loop first, by their ids there."""
        container = f"$(docker ps -q -f label=com.docker.compose.service={STRATEGY})"
        lines = host.shell(f"docker top {container} -eo pid,args").splitlines()[1:]
        return [int(line.split()[0]) for line in lines if "docker-init" not in line]

    def evidence(self) -> dict[str, object]:
        """Return all that the checker reads: the broker's log, the database's tables, the hosts' journals."""
        broker = self.orders()  # first: what comes later is newer in all books
        folder = f"/var/lib/docker/volumes/{self.kit.project}_journal/_data/{STRATEGY}"
        journals = {name: host.shell(f"cat {folder}/*.jsonl; true").splitlines() for name, host in self.hosts.items()}
        schema = f"openbell_{STRATEGY}"
        tables = {name: self.databases.rows(f"{schema}.{name}") for name in ("claims", "orders", "holdings")}
        journal = sorted(self.databases.rows("openbell.journal"), key=lambda row: int(str(row["number"])))
        return {"broker": broker, "tables": tables | {"journal": journal}, "journals": journals}

    def wait_for_orders(self, count: int, since: float, seconds: float) -> bool:
        """Wait for so many orders after an instant; tell whether a person had to adopt what the broker holds."""
        end, adopted = time.monotonic() + seconds, False
        while sum(float(str(one["at"])) > since for one in self.orders()) < count:
            assert time.monotonic() < end, f"no orders within {seconds:g} s\n{self.said()}"
            if self.refuses():
                self.adopt()
                adopted = True
            time.sleep(1)
        return adopted

    def said(self) -> str:
        """Return the end of what the strategy's containers have said."""
        script = f"docker logs --tail 12 $(docker ps -aq -f label=com.docker.compose.service={STRATEGY}) 2>&1 | cut -c1-300; true"
        return "\n".join(f"{name}:\n{host.shell(script)}" for name, host in self.hosts.items())


@contextmanager
def running_stage(engine: docker.DockerClient, folder: Path, memory: Memory) -> Iterator[Stage]:
    """Give all of it, with the strategy running; remove it afterwards."""
    with ExitStack() as stack:
        (folder / "keys").mkdir()
        (folder / "kit").mkdir()
        nodes = stack.enter_context(running_nodes(engine, folder / "keys"))
        broker = nodes["broker"]
        subprocess.run(
            ["docker", "cp", Path(__file__).with_name("broker.py"), f"{broker.container.id}:/broker.py"],
            check=True, capture_output=True,
        )  # fmt: skip
        command = ["python3", "/broker.py", str(BROKER_PORT), "/orders.log", memory]
        broker.container.exec_run(command, detach=True)
        databases = Databases(nodes["first"], nodes["second"], nodes["pooler"])
        kit = make_kit(
            folder / "kit", [STRATEGY], Path(__file__).with_name("strategies"), OPENBELL_DATABASE=databases.url
        )
        stack.enter_context(removed_afterwards(engine, kit.project))
        shutil.copytree(
            ROOT / "deploy", kit.folder / "deploy", ignore=shutil.ignore_patterns("__pycache__", "hosts.toml")
        )
        (kit.folder / "strategies" / STRATEGY / "address").write_text(f"http://{broker.address}:{BROKER_PORT}\n")
        stage = Stage(nodes, databases, kit)
        stage.deploy()
        wait_until(stage.orders, "the first order", 60)
        yield stage
