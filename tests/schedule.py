"""The order of the files of tests and their workers: what waits for containers and servers runs beside what computes."""

from typing import Any

from xdist.scheduler import LoadFileScheduling

# Their tests wait for half of their time or more, for engines, retries and time limits.
WAITING = ("tests/deploy/", "tests/engine/", "tests/hosts/", "tests/process/", "tests/brokers/")
# A worker runs one file at a time: files of minutes come first, so that only short ones are left at the end.
LONG_FIRST = (
    "tests/deploy/test_deploy.py",
    "tests/deploy/test_commands.py",
    "tests/engine/test_readme.py",
    "tests/engine/test_stack.py",
    "tests/deploy/",
    "tests/engine/",
    "/simulation/",
    "tests/browser/",
    "tests/serverless/",
    "tests/process/",
    "tests/make/",
)
# Files that share containers: one worker runs them, so that these are started once.
TOGETHER = {
    "tests/deploy/test_backup.py": "tests/deploy/test_commands.py",
    "tests/engine/test_attacks.py": "tests/engine/test_stack.py",
    "tests/engine/test_images.py": "tests/engine/test_stack.py",
}


def place(path: str) -> int:
    """Return the place of a file among those that take long; the others come after them."""
    return next((number for number, part in enumerate(LONG_FIRST) if part in path), len(LONG_FIRST))


def waits(file: str) -> bool:
    """Tell whether a file's tests wait for most of their time."""
    return file.startswith(WAITING)


class SideBySide(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """Gives every second worker the files that wait, and the others those that compute, until one of the two has none left."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return TOGETHER.get(file, file)

    def _assign_work_unit(self, node: Any) -> None:
        waiting = int(node.gateway.id.removeprefix("gw")) % 2 == 0
        if chosen := next((file for file in self.workqueue if waits(file) == waiting), None):
            self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)
