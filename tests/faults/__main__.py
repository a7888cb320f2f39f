"""`make test-faults`: kill for some minutes, print the figures, fail if anything was lost or doubled."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import docker
from testcontainers.compose import DockerCompose

from tests.engine.kit import make_kit, removed_afterwards
from tests.faults.engine_kills import kill_engine_for
from tests.faults.kills import kill_for


def main() -> int:
    """Return 1 if a slot or an order was lost or doubled, or if there were too few kills to say so."""
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    parser = argparse.ArgumentParser(prog="make test-faults")
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--containers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine-kills", type=int, default=6, help="of a stand-in machine's engine")
    parser.add_argument("--kills", type=int, default=200, help="fewer kills than this prove too little")
    options = parser.parse_args()
    engine = docker.from_env()
    with tempfile.TemporaryDirectory() as folder:
        kit = make_kit(Path(folder), ["chaos"])
        with removed_afterwards(engine, kit.project):
            print("building the image", flush=True)
            DockerCompose(kit.folder, services=["chaos"]).get_config()
            DockerCompose(kit.folder, services=["chaos"], build=True, wait=False).start()
            DockerCompose(kit.folder).stop()
            print(
                f"killing in {options.containers} containers for {options.seconds:.0f} s, seed {options.seed}",
                flush=True,
            )
            of_engine = kill_engine_for(
                engine, kit, options.engine_kills, options.seed, lambda text: print(text, flush=True)
            )
            count = kill_for(
                engine, kit, options.seconds, options.containers, options.seed, lambda text: print(text, flush=True)
            )
    count.add(of_engine)
    print(count.report())
    wrong = count.without_outcome + count.two_outcomes + count.doubled_orders + count.lost_orders
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    if sum(count.kills.values()) < options.kills:
        print(f"only {sum(count.kills.values())} kills of {options.kills}: give it more --seconds", file=sys.stderr)
        return 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
