"""The end of everything that was kept alive, in order."""

import signal
import time
from collections.abc import Sequence

from deploy.docker.compose import SUPERVISOR
from deploy.local.process_supervisor import ProcessSupervisor, now
from deploy.log import Log

TURN = 0.1  # seconds between two looks
LAST_WAIT = 10.0  # seconds that the supervisor is given to end


def end(keeper: ProcessSupervisor, log: Log, asked: Sequence[int], grace: int) -> None:
    """Let runs that are under way end by themselves; a second Ctrl-C kills. The supervisor sees it all, and goes last."""
    strategies = [name for name in keeper.running() if name != SUPERVISOR]
    log.info("stopping: runs that are under way still end by themselves (Ctrl-C again kills them)")
    keeper.end(strategies)
    until, heard = now() + grace, len(asked)
    while set(keeper.running()) - {SUPERVISOR} and now() < until and len(asked) == heard:
        keeper.step(now())
        time.sleep(TURN)
    keeper.end(strategies, signal.SIGKILL)
    keeper.end([SUPERVISOR])
    until = now() + LAST_WAIT
    while not keeper.are_all_gone and now() < until:
        keeper.step(now())
        time.sleep(TURN)
    keeper.end(keeper.running(), signal.SIGKILL)
    while not keeper.are_all_gone:
        keeper.step(now())
        time.sleep(TURN)
