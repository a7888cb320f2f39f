"""Run the mutation tests of all rooms or of some, and say what was noticed; fail if anything unexplained survives."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.mutants import mutmut
from tests.mutants.rooms import explained, rooms


def main() -> int:
    """Return 1 if a change survives that survivors.toml does not explain, or a room is below its goal."""
    known = {room.name: room for room in rooms()}
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(known))
    parser.add_argument("--children", type=int, default=os.cpu_count() or 2, help="processes at once")
    options = parser.parse_args()
    if strangers := [name for name in options.rooms if name not in known]:
        parser.error(f"there is no room {', '.join(strangers)}; there is: {', '.join(known)}")
    reasons, is_bad = explained(), False
    for name in options.rooms or known:
        room = known[name]
        place = mutmut.IN_MEMORY if mutmut.IN_MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory(prefix=f"mutants-{name}-", dir=place) as folder:
            try:
                result = mutmut.run(room, Path(folder), options.children)
            except mutmut.MutantsError as error:
                print(f"{name}: {error}", file=sys.stderr)
                return 1
        new = [one for one in result.survivors if one not in reasons]
        print(
            f"{name}: {result.made - len(result.survivors)} of {result.made} changes noticed, {result.per_cent:.1f} % "
            f"(goal {room.goal} %), {len(result.survivors) - len(new)} survivors explained, {len(new)} not",
            flush=True,
        )
        for one in new:
            print(f"  {one.function}\n    - {one.before}\n    + {one.after}", flush=True)
        prefixes = tuple(module.partition("*")[0].removesuffix("py").replace("/", ".") for module in room.modules)
        stale = [one for one in reasons if one.function.startswith(prefixes) and one not in result.survivors]
        for one in stale:
            print(f"  survivors.toml explains what does not survive any more: {one.function}: {one.after}", flush=True)
        is_bad = is_bad or bool(new) or bool(stale) or result.per_cent < room.goal
    return 1 if is_bad else 0


if __name__ == "__main__":
    sys.exit(main())
