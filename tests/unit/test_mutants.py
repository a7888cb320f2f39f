"""What `make test-mutants` reads: its rooms, and the list of changes that may survive."""

import pytest

from tests.mutants.mutmut import ROOT
from tests.mutants.rooms import Change, explained, rooms


@pytest.mark.parametrize("before, after, is_text", [
    ('return "no usable price"', 'return "XXno usable priceXX"', True),
    ('return "no usable price"', 'return "NO USABLE PRICE"', True),
    ('return "filled"', 'return "FILLED"', False),
    ('if side == "buy" and reason == "it rose"', 'if side == "sell" and reason == "IT ROSE"', False),
    ("return held > 0", "return held >= 0", False),
    ("continue", "break", False),
])  # fmt: skip
def test_the_wording_of_a_message_decides_nothing(before: str, after: str, is_text: bool) -> None:
    """A string of several words is one; a single word may be a status or a side."""
    assert Change("trading.limits.refusal", before, after).is_text is is_text


def test_every_room_has_its_modules_and_tests() -> None:
    """As the files are named today."""
    for room in rooms():
        for module in room.modules:
            assert list((ROOT / "images" / "openbell").glob(module)), module
        for test in room.tests:
            assert (ROOT / test).exists(), test
        assert 90 <= room.goal <= 100


def test_every_survivor_is_of_a_room_and_is_explained() -> None:
    """A reason is a sentence."""
    prefixes = tuple(
        str(path.relative_to(ROOT / "images" / "openbell").with_suffix("")).replace("/", ".").removesuffix(".__init__")
        for room in rooms()
        for module in room.modules
        for path in (ROOT / "images" / "openbell").glob(module)
    )
    for change, reason in explained().items():
        assert change.function.startswith(prefixes), change
        assert len(reason.split()) > 3, change
