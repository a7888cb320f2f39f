"""The strategies of a container, for the commands that a deploy asks of it: the one that it is for, or all that it hosts."""

from collections.abc import Mapping

from openbell import reloads
from openbell.manifest import strategy_folders


def environments(environment: Mapping[str, str], only: str = "") -> list[Mapping[str, str]]:
    """Return the environment in which each strategy of this container runs; none in the supervisor's.

    only: of a container for several, these strategies, with commas between them.
    """
    if environment.get("OPENBELL_STRATEGY"):
        return [environment]
    if not environment.get("OPENBELL_STRATEGIES"):
        return []
    folder = reloads.current(environment)
    from openbell.runner import multi  # noqa: PLC0415 - loads all of the loop, for which others need not wait

    wanted = only.split(",") if only else [one.name for one in strategy_folders(folder)]
    found = multi.environments(strategy_folders(folder), environment)
    return [own for one, own in found if one.name in wanted]
