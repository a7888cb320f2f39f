"""A supervisor that is out of descriptors knows nothing new: it does not call loops dead that it cannot read about."""

import errno
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.supervisor.world import World


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM], ids=os.strerror)
def test_a_shortage_flips_nothing(started: World, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Bots and loops stay as they were for as long as it lasts, the headline says why, and then all goes on."""
    before = started.see()

    def refused(call: Callable[..., Any]) -> Callable[..., Any]:
        # Threads of other tests in this process, as the demo that the browser's tests share, are not short of anything.
        here = threading.get_ident()

        def answer(*args: Any, **options: Any) -> Any:
            if threading.get_ident() != here:
                return call(*args, **options)
            raise OSError(number, os.strerror(number))

        return answer

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refused(os.open))
        patched.setattr(os, "scandir", refused(os.scandir))
        for _ in range(12):
            started.now += timedelta(seconds=5)
            with pytest.raises(OSError, match=os.strerror(number)):
                started.watch.step(started.now)
    during = started.watch.snapshot
    assert during is not None
    assert during.strategies == before.strategies
    assert not during.ok
    assert os.strerror(number) in during.headline
    assert {one.kind for one in during.conditions if one.strategy} == {
        one.kind for one in before.conditions if one.strategy
    }
    started.beat()
    assert started.see().strategies[0].status == before.strategies[0].status
