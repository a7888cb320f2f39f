"""What is shipped: images of the local engine, and their layers."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy.errors import CommandError

if TYPE_CHECKING:
    from docker import DockerClient

SHORT = 12  # digits of an id that make a tag
CREATED = "1980-01-01T00:00:00Z"  # the time of all files of an image: SOURCE_DATE_EPOCH in images/Dockerfile
_LABELS = "com.docker.compose."  # what these labels begin with Compose has added: its version, a checkout's name


@dataclass(frozen=True)
class Local:
    """An image as the local engine names and describes it."""

    reference: str  # as Compose calls it, such as "openbell/pulse:local"
    id: str  # "sha256:...": of its configuration, or where the engine keeps images in containerd of its manifest
    layers: tuple[str, ...]  # diff ids, the lowest first
    platform: str  # such as "linux/amd64"
    settings: str = ""  # what a container of it starts with: command, environment, user
    configuration: bytes = b""  # with which it travels, see `configuration`

    @property
    def name(self) -> str:
        """The reference without its tag."""
        head, _, last = self.reference.rpartition("/")
        last = last.partition("@")[0].partition(":")[0]
        return f"{head}/{last}" if head else last

    @property
    def image(self) -> "Image":
        """The image as it is called on every host."""
        return Image(
            self.reference, self.name, digest(self.configuration), self.layers, configuration=self.configuration
        )


@dataclass(frozen=True)
class Image:
    """An image of a release: what it is called here and on every host."""

    reference: str  # the local engine's, such as "openbell/pulse:local"
    name: str  # such as "openbell/pulse"
    id: str  # "sha256:...", of its configuration: the same on every engine
    layers: tuple[str, ...]  # diff ids, the lowest first
    host_ids: tuple[str, ...] = ()  # under which the host's engine may show it, if not under `id`
    content: str = ""  # of its layers and settings, whenever it was built
    configuration: bytes = field(default=b"", repr=False)
    base: str = ""  # the same without its strategies' folders, if a container of it can follow newer ones

    @property
    def tag(self) -> str:
        """The name that the image has on every host, and that no other image ever gets."""
        return tag(self.name, self.id)


@dataclass(frozen=True)
class Layer:
    """A layer that travels once, for all images that need it."""

    id: str  # diff id: "sha256:..." of the unpacked bytes
    bytes: int  # unpacked
    of: tuple[str, ...]  # names of the images that need it


def tag(name: str, identity: str) -> str:
    """Return the immutable tag of an image: its name and the first digits of its id."""
    return f"{name}:{identity.removeprefix('sha256:')[:SHORT]}"


def unchecked(tag: str) -> str:
    """Return the second name that an image has on a host until it was seen to be whole there."""
    return f"{tag}-unchecked"


def digest(content: bytes) -> str:
    """Return how a registry or an engine names this content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def from_inspection(reference: str, attributes: Mapping[str, object]) -> Local:
    """Return what an inspection by the engine says about an image."""
    root = attributes.get("RootFS")
    layers = tuple(map(str, (root.get("Layers") if isinstance(root, Mapping) else None) or ()))
    config = attributes.get("Config")
    settings = _settings(config)
    return Local(
        reference=reference,
        id=str(attributes["Id"]),
        layers=layers,
        platform=f"{attributes['Os']}/{attributes['Architecture']}",
        settings=settings,
        configuration=configuration(attributes, layers, settings),
    )


def configuration(attributes: Mapping[str, object], layers: Sequence[str], settings: str) -> bytes:
    """Return the configuration with which an image travels, in OCI's form (image-spec, config.md).

    An image's id is the hash of its configuration. Builders write into it when they ran, what they are, and in which steps
    the image was made. That is left out: the same layers and settings have the same id, whoever has built them.
    """
    config = attributes.get("Config")
    labels = (config.get("Labels") if isinstance(config, Mapping) else None) or {}
    own = {str(name): str(value) for name, value in labels.items() if not str(name).startswith(_LABELS)}
    starts_with = json.loads(settings) if settings else {}
    if starts_with.get("WorkingDir") == "/":  # some builders name the default
        del starts_with["WorkingDir"]
    # An arm64 has one variant, which not all builders name; of the 32-bit ones it tells which machines can run it.
    variant = attributes.get("Variant") if attributes["Architecture"] == "arm" else None
    content = {
        "architecture": attributes["Architecture"],
        **({"variant": variant} if variant else {}),
        "os": attributes["Os"],
        "created": CREATED,
        "config": starts_with | ({"Labels": own} if own else {}),
        "rootfs": {"type": "layers", "diff_ids": list(layers)},
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _settings(config: object) -> str:
    """Return what matters of an image's configuration; engines differ in what they say of the rest."""
    if not isinstance(config, Mapping):
        return ""
    keys = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "StopSignal", "User", "Volumes", "WorkingDir")
    return json.dumps({key: config[key] for key in keys if config.get(key)}, sort_keys=True)


def look_up(client: "DockerClient", references: Sequence[str]) -> tuple[Local, ...]:
    """Return the images of the local engine; CommandError names those that are not there."""
    from docker.errors import ImageNotFound  # noqa: PLC0415 - loading it takes longer than most commands

    found, missing = [], []
    for reference in dict.fromkeys(references):
        try:
            found.append(from_inspection(reference, client.images.get(reference).attrs))
        except ImageNotFound:
            missing.append(reference)
    if missing:
        msg = f"not built: {', '.join(missing)}: run `docker compose build` to see which step fails"
        raise CommandError(msg)
    return tuple(found)
