"""Mutated inputs, and how many of them a test is given: a few in `make test`, OPENBELL_FUZZ of them in `make test-fuzz`.

They come from a seeded generator of our own: Hypothesis needs two milliseconds for an input of this sort, this one 20 µs.
"""

import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

INPUTS = int(os.environ.get("OPENBELL_FUZZ", "0"))
FEW = 300  # inputs of each kind in `make test`
ROUND = 25_000  # inputs of one test; more are given to the same test with other seeds

TOKENS = (
    *(b"[" * 5_000, b'{"a":' * 3_000, b"9" * 5_000, b"0x7f", b"NaN", b"-Infinity", b"1e999", b"-0.0", b"1_000"),
    *(b"null", b"true", b'""', b"{}", b"[]", b'"\\ud800"', b'"\\u0000"', b"\x00", b"\xff\xfe", b"\xef\xbb\xbf"),
    *(b"\n", b"\r\n", b"\n\n[", b"\x1b[31m", b"\xe2\x80\xae", b"'", b'"', b'"""', b"\\", b"#", b"=", b",", b":"),
    *(b'"2026-11-26T00:00:00.000Z"', b'"9999-12-31T23:59:59.999Z"', b'"0001-01-01T00:00:00+23:59"', b"1979-05-27"),
    *(b"../../etc/passwd", b"a" * 70_000, b"%00%ff", b"${A:-${A}}", b"$(id)", b"Content-Length: 99999999\r\n"),
)


def mutated(rng: random.Random, valid: Sequence[bytes]) -> bytes:
    """Return an input that is valid but for up to five changes."""
    content = rng.choice(valid)
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        at = rng.randint(0, len(content))
        until = at + rng.choice((1, 1, 2, 5, 20))
        token = rng.choice((rng.choice(TOKENS), rng.randbytes(2), bytes([rng.randrange(32, 127)]), rng.choice(valid)))
        match rng.randrange(7):
            case 0 | 1:
                content = content[:at] + token + content[at:]
            case 2 | 3:
                content = content[:at] + token + content[until:]
            case 4:
                content = content[:at] + content[until:]
            case 5:
                content = content[:until] + content[at:until] * rng.randrange(40) + content[until:]
            case _:
                content = content[:at] if rng.random() < 0.5 else content[at:] + content[:at]
    return content


def rounds() -> pytest.MarkDecorator:
    """Return the seeds with which a test is given all its inputs."""
    return pytest.mark.parametrize("number", range(max(1, -(-INPUTS // ROUND))))


def fuzz(number: int, valid: Sequence[bytes], check: Callable[[bytes], bool]) -> None:
    """Give mutated inputs to a check, which returns whether an input was taken for a valid one."""
    _run(number, valid, lambda inputs: int(check(inputs[0])), 1)


def fuzz_together(number: int, valid: Sequence[bytes], check: Callable[[list[bytes]], int], each: int) -> None:
    """Give so many mutated inputs at a time to a check, which returns how many of them were taken for valid ones."""
    _run(number, valid, check, each)


def _run(number: int, valid: Sequence[bytes], check: Callable[[list[bytes]], int], each: int) -> None:
    began, taken, given = time.monotonic(), 0, 0
    for inputs in _inputs(number, valid, each):
        try:
            taken += check(inputs)
        except BaseException:
            print(f"input {given} of seed {number}: {[one[:2_000] for one in inputs]}")
            raise
        given += each
    if INPUTS:
        name = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].rpartition(" ")[0]
        said = f"{name}: {given} inputs, {taken} of them valid, {time.monotonic() - began:.0f} s"
        print(said, file=sys.__stdout__, flush=True)


def _inputs(number: int, valid: Sequence[bytes], each: int) -> Iterator[list[bytes]]:
    rng = random.Random(number)
    for _ in range(-(-min(ROUND, INPUTS or FEW) // each)):
        yield [mutated(rng, valid) for _ in range(each)]
