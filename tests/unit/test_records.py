"""openbell's dataclasses do what those of the standard library do."""

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import pytest

from openbell.manifest.model import Bot, Limits, Schedule
from openbell.records import dataclass, field, replace


@dataclass(frozen=True)
class Ours:
    """A class with every kind of field."""

    name: str
    text: str = field(default="none", compare=False)
    secret: str = field(default="", repr=False)
    made: Mapping[str, int] = field(default_factory=dict, compare=False)

    @cached_property
    def length(self) -> int:
        """Return a value that is computed once."""
        return len(self.name)


@dataclasses.dataclass(frozen=True)
class Theirs:
    """The same class as the standard library makes it."""

    name: str
    text: str = dataclasses.field(default="none", compare=False)
    secret: str = dataclasses.field(default="", repr=False)
    made: Mapping[str, int] = dataclasses.field(default_factory=dict, compare=False)


@dataclass(frozen=True, kw_only=True)
class Base:
    """Fields that are given by name only."""

    retries: int = 2


@dataclass(frozen=True)
class Child(Base):
    """A field of its own, beside those of its base."""

    name: str


@dataclass
class Open:
    """A class whose fields may be set."""

    number: int
    seen: list[int] = field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Beside(Ours):
    """A dataclass of the standard library's that inherits from one of ours."""

    more: int = 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda cls: repr(cls("a", "b", secret="c")).removeprefix(cls.__name__),
        lambda cls: cls("a") == cls("a", text="other", made={"x": 1}),
        lambda cls: cls("a") == cls("a", secret="other"),
        lambda cls: cls("a") == ("a", "none", "", {}),
        lambda cls: len({cls("a"), cls("a", text="other"), cls("b")}),
        lambda cls: cls.__match_args__,
        lambda cls: cls("a").made is cls("a").made,
        lambda cls: cls.text,
        lambda cls: hasattr(cls, "name"),
        lambda cls: dataclasses.asdict(cls("a", made={"x": 1})),
        lambda cls: [(one.name, one.compare, one.repr) for one in dataclasses.fields(cls)],
        lambda cls: repr(dataclasses.replace(cls("a", "b"), name="c")).removeprefix(cls.__name__),
        lambda cls: pickle.loads(pickle.dumps(cls("a", "b"))) == cls("a", "b"),  # noqa: S301 - our own bytes
        lambda cls: copy.copy(cls("a", made={"x": 1})).made,
        lambda cls: copy.deepcopy(cls("a", made={"x": 1})).made,
    ],
)
def test_a_class_answers_as_the_one_of_the_standard_library(ask: Callable[[Any], object]) -> None:
    """Text, equality, hash, defaults, copies, and the standard library's own functions."""
    assert ask(Ours) == ask(Theirs)


@pytest.mark.parametrize(
    "call",
    [
        lambda cls: cls(),
        lambda cls: cls("a", unknown=1),
        lambda cls: cls("a", "b", "c", {}, 1),
        lambda cls: setattr(cls("a"), "name", "b"),
        lambda cls: setattr(cls("a"), "unknown", "b"),
        lambda cls: delattr(cls("a"), "name"),
    ],
)
def test_what_the_standard_library_refuses_is_refused_in_its_words(call: Callable[[Any], object]) -> None:
    """Wrong arguments of the call, and a frozen field that is set."""
    refusals = []
    for cls in (Ours, Theirs):
        with pytest.raises((TypeError, dataclasses.FrozenInstanceError)) as caught:
            call(cls)
        refusals.append((caught.type, str(caught.value).replace(cls.__name__, "")))
    assert refusals[0] == refusals[1]


def test_a_child_has_the_fields_of_its_base() -> None:
    """Those of the base are first in its text, and are given by name."""
    child = Child("a", retries=5)

    assert repr(child) == "Child(retries=5, name='a')"
    assert (child, hash(child)) == (Child("a", retries=5), hash(Child("a", retries=5)))
    assert child != Child("a")
    assert replace(child, name="b") == Child("b", retries=5)
    assert Child.__match_args__ == ("name",)


def test_a_class_that_is_not_frozen_can_be_set_and_not_hashed() -> None:
    """Each instance gets a list of its own."""
    first, second = Open(1), Open(1)
    first.seen.append(3)
    first.number = 2

    assert (first.number, first.seen, second.seen) == (2, [3], [])
    with pytest.raises(TypeError, match="unhashable"):
        hash(first)


def test_a_dataclass_of_the_standard_library_may_inherit() -> None:
    """Both kinds of replace make another one of it."""
    beside = Beside("a", more=1)

    assert repr(beside) == "Beside(name='a', text='none', made={}, more=1)"
    assert replace(beside, name="b") == dataclasses.replace(beside, name="b") == Beside("b", more=1)


def test_a_value_that_is_computed_once_is_kept() -> None:
    """Frozen are the fields, not what is computed of them; a copy with other fields computes anew."""
    ours = Ours("abc")

    assert (ours.length, replace(ours, name="ab").length, "length" in vars(ours)) == (3, 2, True)


def test_own_methods_stay() -> None:
    """A class with its own text keeps it."""
    assert repr(Schedule("UTC")).startswith("Schedule(timezone='UTC', calendar=None, days=frozenset(")
    assert Bot("s", "b", ("A",), Schedule("UTC")) == Bot("s", "b", ("A",), Schedule("UTC"), params={})
    assert hash(Limits(short=True)) == hash(Limits(short=True))


def test_making_and_using_one_loads_nothing() -> None:
    """Not before the standard library's own functions are used are its modules loaded."""
    code = "import sys, openbell.manifest.model as m; x = m.Limits(short=True); hash(x), repr(x), x == m.Limits(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"dataclasses", "inspect"} & set(loaded)
