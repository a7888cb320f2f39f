"""Lets the local engine learn the packed names of the layers that `docker save` exported.

An engine packs a layer when it pushes it for the first time, which takes seconds for a base image; after that it only asks.
That is done while a deploy waits for its gate anyway, so that the next change goes the quick way. It is a favour: it may
end at any point, and nothing depends on it.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deploy import scratch
from deploy.transfer import export_push
from deploy.transfer.capturing_registry import catching
from deploy.transfer.images import Local

if TYPE_CHECKING:
    from docker import DockerClient

_NO_LIMIT = 1 << 50


@contextmanager
def priming(client: "DockerClient", images: Sequence[Local], begin: threading.Event) -> Iterator[threading.Event]:
    """Let the engine pack these images' layers, from the moment that `begin` is set until the end of the block.

    The event that is given says that nothing is left to do.
    """
    done = threading.Event()
    if not images:
        done.set()
        yield done
        return
    with scratch.folder() as folder, catching(folder, _NO_LIMIT) as registry:
        over = threading.Event()

        def work() -> None:
            from docker.errors import DockerException  # noqa: PLC0415 - loading it takes longer than most commands

            begin.wait()
            with contextlib.suppress(DockerException, OSError):  # then the next change goes the way that always works
                if not over.is_set():
                    with export_push.pushed(client, registry, images) as start:
                        start()
            done.set()

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        try:
            yield done
        finally:
            over.set()
            registry.overrun.set()
            begin.set()
            worker.join()
