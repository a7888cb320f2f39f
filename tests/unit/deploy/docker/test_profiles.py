"""One form of the portfolio at a time."""

import pytest

from deploy.docker.profiles import profiles_of, replaced
from deploy.errors import CommandError

SERVICES = {
    "supervisor": (),
    "a": ("portfolio",),
    "b": ("portfolio",),
    "together": ("portfolio-together",),
    "m": ("metrics",),
}


@pytest.mark.parametrize(
    "asked, gives_way",
    [
        ((), ()),
        (("metrics",), ()),
        (("portfolio",), ("together",)),
        (("portfolio-together", "metrics"), ("a", "b")),
    ],
)
def test_the_other_form_gives_way(asked: tuple[str, ...], gives_way: tuple[str, ...]) -> None:
    """What has nothing to do with the profiles that are asked for stays as it is."""
    assert replaced(SERVICES, asked) == gives_way


def test_both_forms_at_once_are_refused() -> None:
    """They would wait for each other's strategies."""
    with pytest.raises(CommandError, match=r"found portfolio and portfolio-together: .* take one of them"):
        replaced(SERVICES, ("portfolio-together", "portfolio"))


def test_profiles_are_read_from_the_configuration() -> None:
    """A service without any has none."""
    assert profiles_of({"services": {"a": {"profiles": ["portfolio"]}, "s": {}}}) == {"a": ["portfolio"], "s": ()}
