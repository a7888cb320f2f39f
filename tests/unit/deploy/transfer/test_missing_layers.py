"""What must travel."""

import pytest

from deploy.transfer.host_images import HostImages, chains, needed


@pytest.mark.parametrize(
    "there,images,expected",
    [
        ([], {"a": "123"}, {"1": "a", "2": "a", "3": "a"}),
        (["123"], {"a": "123"}, {}),
        (["123"], {"a": "124"}, {"4": "a"}),
        (["1234"], {"a": "12"}, {}),
        # 3 is there, but on top of 2: on top of 9 an engine does not find it.
        (["123"], {"a": "193"}, {"9": "a", "3": "a"}),
        (["123"], {"a": "23"}, {"2": "a", "3": "a"}),
        (["12", "13"], {"a": "135"}, {"5": "a"}),
        ([], {"a": "12", "b": "13"}, {"1": "ab", "2": "a", "3": "b"}),
        (["1"], {"a": "12", "b": "1"}, {"2": "a"}),
        # The same layer twice in one image is one thing to send.
        ([], {"a": "121"}, {"1": "a", "2": "a"}),
        ([], {"a": ""}, {}),
    ],
)
def test_only_the_longest_beginning_that_is_there_is_left_out(
    there: list[str], images: dict[str, str], expected: dict[str, str]
) -> None:
    """Each letter of a text is a layer, or an image that needs it; each layer is sent once, for all images that need it."""
    inventory = HostImages(chains=chains(map(tuple, there)))
    found = needed([(name, tuple(layers)) for name, layers in images.items()], inventory)
    assert {layer: "".join(names) for layer, names in found.items()} == expected


def test_layers_travel_from_the_lowest_up() -> None:
    """Their order is that of the chain."""
    assert list(needed([("a", ("3", "1", "2"))], HostImages(chains=frozenset()))) == ["3", "1", "2"]


def test_everything_travels_to_a_host_that_is_not_believed() -> None:
    """What it said about its engine stays; what it said about images does not count."""
    inventory = HostImages(chains=chains([("1", "2")]), tags={"a:1": "x"}, engine="20.10.24", zstd=False)
    assert list(needed([("a", ("1", "2"))], inventory.nothing())) == ["1", "2"]
    assert inventory.nothing() == HostImages(chains=frozenset(), engine="20.10.24", zstd=False)
