"""The strategies of a container, for the commands that a deploy asks of it: the one that it is for, or all that it hosts."""

from collections.abc import Mapping
from pathlib import Path

from openbell.manifest import strategy_folders


def environments(environment: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Return the environment in which each strategy of this container runs; none in the supervisor's."""
    if environment.get("OPENBELL_STRATEGY"):
        return [environment]
    folder = environment.get("OPENBELL_STRATEGIES")
    if not folder:
        return []
    from openbell.runner import multi  # noqa: PLC0415 - loads all of the loop, for which others need not wait

    return [own for _, own in multi.environments(strategy_folders(Path(folder)), environment)]
