"""How much of the best result of a sweep is luck. Pure.

The deflated Sharpe ratio: D. Bailey and M. López de Prado, "The Deflated Sharpe Ratio", Journal of Portfolio Management 40
(5), 2014. The probability of backtest overfitting by combinatorially symmetric cross-validation: D. Bailey, J. Borwein,
M. López de Prado and Q. Zhu, "The Probability of Backtest Overfitting", Journal of Computational Finance 20 (4), 2017.
"""

from collections.abc import Sequence
from itertools import combinations
from math import e, sqrt
from statistics import NormalDist, fmean, pvariance, variance

EULER_MASCHERONI = 0.5772156649015329
BLOCKS = 10  # that the returns are cut into; half of them choose, the other half judge
FEWEST_IN_BLOCK = 10  # returns; with fewer nothing is said
_NORMAL = NormalDist()


def expected_best(trials: int, spread: float) -> float:
    """Return the Sharpe ratio that the best of so many trials without any skill has.

    spread: the standard deviation of the trials' Sharpe ratios.
    """
    if trials < 2:
        return 0.0
    most, more = _NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * e))
    return spread * ((1 - EULER_MASCHERONI) * most + EULER_MASCHERONI * more)


def probability_above(sharpe: float, benchmark: float, count: int, skewness: float, kurtosis: float) -> float:
    """Return the probability that the true Sharpe ratio lies above a benchmark, from one that was seen over `count` returns.

    No ratio is annual. kurtosis: 3 for a normal distribution.
    """
    error = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return _NORMAL.cdf((sharpe - benchmark) * sqrt(count - 1) / sqrt(error))


def deflated_sharpe(best: Sequence[float], sharpes: Sequence[float]) -> float | None:
    """Return the probability that the best of a sweep has skill: that its Sharpe ratio is above what luck alone gives.

    best: its returns. sharpes: the ratios of all combinations, not annual. None where the returns do not vary.
    """
    mean, spread = fmean(best), sqrt(pvariance(best))
    if not spread or len(sharpes) < 2:
        return None
    moments = [fmean(((one - mean) / spread) ** power for one in best) for power in (3, 4)]
    benchmark = expected_best(len(sharpes), sqrt(variance(sharpes)))
    return probability_above(mean / spread, benchmark, len(best), *moments)


def overfitting(columns: Sequence[Sequence[float]], blocks: int = BLOCKS) -> float | None:
    """Return the probability of backtest overfitting: how often the best of one half of the time is below the median in the other.

    columns: the returns of each combination, at the same instants. None where there are too few.
    """
    count = min(map(len, columns), default=0)
    size = count // blocks
    if len(columns) < 2 or size < FEWEST_IN_BLOCK:
        return None
    sums = [
        [_sums(column[block * size : (block + 1) * size]) for block in range(blocks)]
        for column in (column[count - blocks * size : count] for column in columns)
    ]
    below, splits = 0.0, 0
    for half in combinations(range(blocks), blocks // 2):
        other = [block for block in range(blocks) if block not in half]
        inside = [_ratio([one[block] for block in half], size) for one in sums]
        outside = [_ratio([one[block] for block in other], size) for one in sums]
        chosen = outside[inside.index(max(inside))]
        # The rank of the chosen one among all, from 0 to 1; the median is half.
        rank = sum((one < chosen) + (one == chosen) / 2 for one in outside) / len(outside)
        below += (rank < 0.5) + (rank == 0.5) / 2
        splits += 1
    return below / splits


def _sums(returns: Sequence[float]) -> tuple[float, float]:
    return sum(returns), sum(one * one for one in returns)


def _ratio(blocks: Sequence[tuple[float, float]], size: int) -> float:
    """Return the Sharpe ratio of several blocks from their sums."""
    count = size * len(blocks)
    mean = sum(total for total, _ in blocks) / count
    spread = max(0.0, sum(squares for _, squares in blocks) / count - mean * mean)
    return mean / sqrt(spread) if spread > 1e-24 else 0.0
