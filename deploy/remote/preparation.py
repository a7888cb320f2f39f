"""What is done before anything is changed: leftovers are removed, images are checked, and a quiet moment is awaited if asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from deploy.remote.docker_client import PROJECT, Container, DockerClient, DockerError
from deploy.remote.files import lines_of
from deploy.remote.hold import LABEL
from deploy.remote.plan import TransactionPlan
from deploy.remote.records import Records
from deploy.remote.services import PREFLIGHT, Services, StepFailed

AWAY = 30  # seconds; when a deploy waits for an idle moment, no slot may be due within them
IDLE_WITHIN = 1800.0  # seconds for such a moment; then nothing is done


def remove_leftovers(docker: DockerClient, project: str, containers: Sequence[Container]) -> None:
    """Remove what an interrupted transaction has left: containers that do not run while another one of their service does."""
    left = {*docker.labelled(PREFLIGHT, f"{PROJECT}={project}"), *docker.labelled(f"{LABEL}={project}")}
    if left:
        docker.ask("rm", "--force", *sorted(left))
    runs = {one.service for one in containers if one.running}
    for one in containers:
        if not one.running and one.service in runs:
            docker.ask("rm", "--volumes", one.id)


def images_must_be_there(docker: DockerClient, records: Records, release: str) -> None:
    """Raise StepFailed if an image of the release is not on the server any more."""
    images = lines_of(records.release(release) / "images")
    if images and all(map(docker.image, images)):
        return
    try:
        docker.must("image", "inspect", *images, seconds=60)
    except DockerError as error:
        msg = f"an image is not there any more ({error}): deploy its sources again"
        raise StepFailed(msg) from None


def rehearse(plan: TransactionPlan, services: Services, running: Collection[str], step: Callable[[str], None]) -> None:
    """Prepare the volumes, and check of each service that is recreated whether it will work; StepFailed if one does not.

    What runs goes on with the volumes as they are then, and so does the release before. A service whose one strategy runs
    has them already, and need not wait.
    """
    with ThreadPoolExecutor(1) as pool:
        prepared = pool.submit(services.prepare, plan.release)
        for service in filter(plan.runs_openbell, plan.recreated):
            if plan.renames or service not in running or plan.hosted.get(service) != (service,):
                prepared.result()
            step(f"preflight of {service}")
            services.preflight(plan.release, service)
        prepared.result()


def wait_until_idle(docker: DockerClient, services: Services, names: Sequence[str]) -> None:
    """Wait for a moment in which none of these services' strategies has a run, or a slot soon."""
    end = docker.now() + IDLE_WITHIN
    busy = ""
    while docker.now() < end:
        busy = ""
        # Each in turn until it is quiet, then all at once.
        for patience in (int(end - docker.now()), 0):
            for service in names:
                for one in services.running_strategies(service):
                    words = ("--strict", "--within", str(AWAY), "--for", str(patience))
                    if not services.is_quiet(one.id, *words, seconds=patience + 30):
                        busy = service
        if not busy:
            return
        docker.sleep(1)
    msg = f"{busy} had no quiet moment within {IDLE_WITHIN:g} s: try again, or without WAIT=idle"
    raise StepFailed(msg)
