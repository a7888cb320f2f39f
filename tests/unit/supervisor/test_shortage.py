"""A supervisor that is out of descriptors knows nothing new: it does not call loops dead that it cannot read about."""

import errno
import os
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.supervisor.world import World


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM], ids=os.strerror)
def test_a_shortage_flips_nothing(started: World, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Bots and loops stay as they were for as long as it lasts, the headline says why, and then all goes on."""
    before = started.see()

    def refuse(*_: Any, **__: Any) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        patched.setattr(os, "scandir", refuse)
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
