"""The line between this machine and the stand-in server: what goes over it, and how fast it is."""

import subprocess

from tests.machine.machine import Machine

MEGABITS = 50.0


def transferred(machine: Machine) -> int:
    """Return the bytes that the server's network card has sent and received so far, headers and all."""
    return sum(int(machine.shell(f"cat /sys/class/net/eth0/statistics/{way}_bytes")) for way in ("rx", "tx"))


def limit(machine: Machine, megabits: float) -> None:
    """Let no more than so many megabits a second through, either way: the kernel's token bucket at both ends.

    The end outside is this machine's, so it takes root; CalledProcessError where that or the kernel does not do it.
    """
    bucket = f"root tbf rate {megabits:g}mbit burst 64kb latency 200ms"
    machine.shell(f"tc qdisc add dev eth0 {bucket}")
    peer = machine.shell("cat /sys/class/net/eth0/iflink").strip()
    listed = subprocess.run(("ip", "-o", "link"), check=True, capture_output=True, text=True).stdout
    (name,) = (line.split()[1].split("@")[0] for line in listed.splitlines() if line.startswith(f"{peer}: "))
    subprocess.run(("tc", "qdisc", "add", "dev", name, *bucket.split()), check=True, capture_output=True)
