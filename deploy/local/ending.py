"""The end of everything that was kept alive, in order."""

import signal
import time
from collections.abc import Sequence

from deploy.docker.compose import SUPERVISOR
from deploy.local.process_supervisor import ProcessSupervisor, now
from deploy.log import Log

TURN = 0.1  # seconds between two checks
LAST_WAIT = 10.0  # seconds that the supervisor is given to end


def end(children: ProcessSupervisor, log: Log, asked: Sequence[int], grace: int) -> None:
    """Let runs that are under way end by themselves; a second Ctrl-C kills. The supervisor sees it all, and goes last."""
    strategies = [name for name in children.running() if name != SUPERVISOR]
    log.info("stopping: runs that are under way still end by themselves (Ctrl-C again kills them)")
    children.end(strategies)
    until, heard = now() + grace, len(asked)
    while set(children.running()) - {SUPERVISOR} and now() < until and len(asked) == heard:
        children.step(now())
        time.sleep(TURN)
    children.end(strategies, signal.SIGKILL)
    children.end([SUPERVISOR])
    until = now() + LAST_WAIT
    while not children.are_all_gone and now() < until:
        children.step(now())
        time.sleep(TURN)
    children.end(children.running(), signal.SIGKILL)
    while not children.are_all_gone:
        children.step(now())
        time.sleep(TURN)
