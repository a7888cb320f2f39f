"""How long a stop must wait."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.stop_grace import too_short
from openbell.manifest import Manifest, load

ROOT = Path(__file__).parents[3]


@pytest.fixture
def manifest() -> Manifest:
    """The manifest of an example, whose timeout is two minutes."""
    return load(ROOT / "strategies" / "ma_crossover")


def test_the_default_covers_the_examples(manifest: Manifest) -> None:
    """Nothing needs to be set for them."""
    assert too_short([manifest], 130) is None


def test_a_longer_timeout_asks_for_a_longer_stop(manifest: Manifest) -> None:
    """The message has the very line for .env."""
    slow = replace(manifest, bots=(*manifest.bots, replace(manifest.bots[0], id="slow", timeout=timedelta(minutes=10))))
    problem = too_short([manifest, slow], 130)
    assert problem == ("a stop waits 130 s, but a run of bot slow may take 600 s: set OPENBELL_STOP_GRACE=605s in .env")
    assert too_short([slow], 605) is None


def test_no_bots_need_no_time() -> None:
    """A project whose strategies are all gone can still be stopped."""
    assert too_short([], 1) is None
