"""The images of the checkout's services."""

from collections.abc import Mapping
from typing import Any

from deploy.docker import build_output, compose, generated, services
from deploy.errors import CommandError
from deploy.log import Log
from deploy.settings import strategies_folder


def build(configuration: Mapping[str, Any], log: Log) -> None:
    """Build the images of a configuration of Compose; CommandError if one cannot be built."""
    log.info("building the images")
    generated.stage(strategies_folder())
    if code := build_output.build(compose.build(services.builders(configuration)), log):
        msg = "an image could not be built: the step that failed is above"
        raise CommandError(msg, code)
