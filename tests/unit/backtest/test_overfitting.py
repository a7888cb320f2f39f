"""How much of a sweep's best result is luck, on published figures and on series that are known to be luck or skill."""

import random
from math import sqrt

import pytest

from openbell.backtest.overfitting import deflated_sharpe, expected_best, overfitting, probability_above


@pytest.mark.parametrize(
    "trials, skewness, kurtosis, wanted",
    [(100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505)],
)
def test_the_published_example(trials: int, skewness: float, kurtosis: float, wanted: float) -> None:
    """Bailey and López de Prado (2014), "A numerical example": 2.5 a year over five years, variance of the trials one half."""
    a_day = 1 / sqrt(250)
    benchmark = expected_best(trials, sqrt(0.5) * a_day)
    if trials == 100:
        assert benchmark == pytest.approx(0.1132, abs=5e-5)
    assert probability_above(2.5 * a_day, benchmark, 1250, skewness, kurtosis) == pytest.approx(wanted, abs=5e-5)


def noise(seed: int, columns: int, count: int = 1_000) -> list[list[float]]:
    """Return series without any skill."""
    chance = random.Random(seed)
    return [[chance.gauss(0, 0.01) for _ in range(count)] for _ in range(columns)]


def test_the_best_of_noise_is_luck() -> None:
    """Chosen in one half, it is anywhere in the other: overfitting about every second time, and no skill to be seen."""
    found = [overfitting(noise(seed, 20)) for seed in range(12)]
    assert sum(one or 0.0 for one in found) / len(found) == pytest.approx(0.5, abs=0.15)
    best = max(noise(1, 50), key=sum)
    sharpes = [sum(one) / 1_000 / 0.01 for one in noise(1, 50)]
    luck = deflated_sharpe(best, sharpes)
    assert luck is not None
    assert luck < 0.9


def test_one_with_skill_stays_the_best() -> None:
    """In both halves of every split."""
    columns = noise(3, 10)
    columns[4] = [one + 0.005 for one in columns[4]]
    assert overfitting(columns) == 0.0
    sharpes = [sum(one) / 1_000 / 0.01 for one in noise(3, 10)]
    assert deflated_sharpe(columns[4], sharpes) == pytest.approx(1.0, abs=1e-3)


def test_what_is_good_in_one_half_only_is_overfitted() -> None:
    """Two that take turns: whichever half one is chosen in, it is the worse in the other."""
    turn = [[0.01 if (block % 2 == which) else -0.01 for block in range(10) for _ in range(50)] for which in (0, 1)]
    wobble = [[one + 0.001 * (n % 3) for n, one in enumerate(column)] for column in turn]
    assert overfitting(wobble) == 1.0


def test_too_little_is_said_to_be_so() -> None:
    """One combination, few returns, or a flat line."""
    assert overfitting(noise(1, 1)) is None
    assert overfitting(noise(1, 5, count=50)) is None
    assert deflated_sharpe([0.0, 0.0], [1.0, 2.0]) is None
    assert deflated_sharpe([0.1, 0.2], [1.0]) is None
