"""Kinds of machines by Docker's names."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "i386": "386"}


def platform_of(system: str, machine: str) -> str:
    """Return a platform by Docker's names, from a machine's own."""
    return f"{system}/{_ARCHITECTURES.get(machine, machine)}"
