"""What a host has already: its images, as chains of layers, and what else decides how to ship to it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from deploy.errors import CommandError
from deploy.ssh.connection import Connection
from deploy.transfer.images import Local, unchecked

Chain = tuple[str, ...]  # layers from the lowest up: an engine has a layer only on top of those below it

# One command, since each costs a round trip, and two things at a time, since each starts a client. An image that vanishes
# in between is not listed.
_QUESTION = """\
listed=$(mktemp) || exit 1
trap 'rm -f "$listed"' EXIT
docker image ls --quiet --no-trunc 2>/dev/null | sort -u |
    xargs -r docker image inspect --format '{{.Id}}|{{json .RepoTags}}|{{json .RootFS.Layers}}' >"$listed" 2>/dev/null &
info=$(docker info --format '{{.ServerVersion}}|{{.OSType}}/{{.Architecture}}|{{json .DriverStatus}}|{{.DockerRootDir}}') || exit 1
echo "$info"
df -Pk "${info##*|}" 2>/dev/null | sed -n '2p' | grep . || echo unknown
command -v zstd || echo none
wait
cat "$listed"
"""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "i386": "386"}
_ANSWER_WITHIN = 60  # seconds


@dataclass(frozen=True)
class HostImages:
    """What a host's engine has, as far as shipping needs to know it."""

    chains: frozenset[Chain]  # every chain of layers that an image there begins with
    tags: Mapping[str, str] = field(default_factory=dict)  # tag: the id that the host's engine gives the image
    platform: str = "linux/amd64"
    engine: str = ""  # version
    containerd: bool = False  # whether its engine keeps images in containerd, where an id is a manifest's
    zstd: bool = True  # whether it can unpack zstd
    free_bytes: int | None = None  # where its engine keeps images; None if it did not say

    def nothing(self) -> "HostImages":
        """Return the same host as if it had no image: for when what it says it has turns out not to be so."""
        return replace(self, chains=frozenset(), tags={})

    def known(self, layers: Sequence[str]) -> int:
        """Return how many layers, from the lowest up, need not be sent."""
        return next((count for count in range(len(layers), 0, -1) if tuple(layers[:count]) in self.chains), 0)

    def has(self, image: Local, tag: str) -> bool:
        """Tell whether the host has this image by this tag, and it was seen to be whole when it came."""
        there = self.tags.get(tag)
        same = there is not None and unchecked(tag) not in self.tags and (self.containerd or there == image.id)
        return same and self.known(image.layers) == len(image.layers)


def read(connection: Connection) -> HostImages:
    """Ask the host what it has; Problem if its Docker does not answer."""
    result = connection.run(("sh", "-c", _QUESTION), timeout=_ANSWER_WITHIN)
    if result.code:
        said = (result.stderr.strip().splitlines() or ["no answer"])[-1]
        host = connection.host.name
        msg = f"{host}: Docker does not answer there ({said}): look at it with `{connection.host.ssh}`, or run `make provision HOST={host}`"
        raise CommandError(msg)
    return parse(result.text.splitlines())


def parse(lines: Sequence[str]) -> HostImages:
    """Return the inventory that the lines of the host's answer describe."""
    version, platform, status, _ = lines[0].split("|", 3)
    system, _, machine = platform.partition("/")
    images = [line.split("|", 2) for line in lines[3:]]
    return HostImages(
        chains=chains(json.loads(layers) or () for _, _, layers in images),
        tags={tag: identity for identity, tags, _ in images for tag in json.loads(tags) or ()},
        platform=f"{system}/{_ARCHITECTURES.get(machine, machine)}",
        engine=version,
        containerd="containerd.snapshotter" in status,
        zstd=lines[2] != "none",
        free_bytes=_free(lines[1]),
    )


def chains(images: Iterable[Sequence[str]]) -> frozenset[Chain]:
    """Return all chains that the images' lists of layers begin with."""
    return frozenset(tuple(layers[:count]) for layers in images for count in range(1, len(layers) + 1))


def _free(line: str) -> int | None:
    words = line.split()
    return int(words[3]) * 1024 if len(words) >= 6 and words[3].isdigit() else None
