"""Runs inside the runtime image: what importing costs, in fresh interpreters.

    imports.py all MODULE...    one JSON object: `trace` and `alone` of all that the modules load, three times each
    imports.py trace MODULE...  import them in this process, and print for each module that this loads
    imports.py alone MODULE     import it in this process, and print

a line: the module, who asked for it, seconds, and KiB of RSS and of written memory, which no other process can share.
"""

import os
import sys
import time

REPEATS = 3
BOOTSTRAP = sys.modules["_frozen_importlib"]  # the import system itself, which is there from the start
WORTH_A_LOOK = 40  # KiB written, below which a module is not measured alone


def reading() -> tuple[float, int, int]:
    """Return the time, and this process's RSS and written memory in KiB."""
    now = time.perf_counter()
    file = os.open("/proc/self/smaps_rollup", os.O_RDONLY)
    lines = os.read(file, 8192).decode().splitlines()
    os.close(file)
    fields = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
    return now, fields["Rss:"], fields["Private_Dirty:"]


def tell(module: str, by: str, before: tuple[float, int, int]) -> str:
    """Return the line about a module whose import began at `before` and ends now."""
    after = reading()
    return f"{module} {by} {after[0] - before[0]:.6f} {after[1] - before[1]} {after[2] - before[2]}"


class Trace:
    """Stands before the import system's own entry, which is called for whatever is not loaded yet."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._loading = ["-"]
        self._find_and_load = BOOTSTRAP._find_and_load

    def find_and_load(self, name: str, *arguments: object) -> object:
        """Load a module and note down what that cost."""
        by = self._loading[-1]
        self._loading.append(name)
        before = reading()
        try:
            return self._find_and_load(name, *arguments)
        finally:
            self._loading.pop()
            self.lines.append(tell(name, by, before))


def trace(modules: list[str]) -> None:
    """Import the modules and print a line for each that this loads, the inner ones first."""
    reading()
    bare = reading()
    spy = Trace()
    vars(BOOTSTRAP)["_find_and_load"] = spy.find_and_load
    for module in modules:
        __import__(module)
    print("\n".join([f"(python) - 0 {bare[1]} {bare[2]}", *spy.lines, tell("(all)", "-", bare)]))


def alone(module: str) -> None:
    """Import one module and print its line."""
    reading()
    before = reading()
    __import__(module)
    print(tell(module, "-", before))


def every(modules: list[str]) -> None:
    """Start the interpreters and print all that they say."""
    import json  # noqa: PLC0415 - the interpreters that measure must not have them loaded
    import subprocess  # noqa: PLC0415

    def fresh(*arguments: str) -> list[list[str]]:
        command = [sys.executable, "-c", sys.orig_argv[2], *arguments]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [line.split() for line in output.splitlines()]

    traces = [fresh("trace", *modules) for _ in range(REPEATS)]
    names = [
        line[0] for line in traces[0] if int(line[4]) >= WORTH_A_LOOK and not line[0].startswith(("(", "openbell"))
    ]
    found = {name: [fresh("alone", name)[0] for _ in range(REPEATS)] for name in names}
    print(json.dumps({"trace": traces, "alone": found}))


if __name__ == "__main__":
    if sys.argv[1] == "all":
        every(sys.argv[2:])
    elif sys.argv[1] == "trace":
        trace(sys.argv[2:])
    else:
        alone(sys.argv[2])
