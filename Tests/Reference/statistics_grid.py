#!/usr/bin/env python3
"""Holds the statistics against SciPy and statsmodels on a random grid, edges included.

    statistics_grid.py [--seed N]          # makes the grid and runs the tests that read it
    statistics_grid.py --only-grid FILE

The tests find the grid through $SHADOW_ROUTER_STATISTICS_GRID. Needs scipy and statsmodels; without them: SKIPPED.
"""
import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from scipy import optimize, special, stats
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.inter_rater import cohens_kappa
    from statsmodels.stats.proportion import proportion_confint
except ImportError as problem:
    print("SKIPPED: statistics against SciPy and statsmodels: %s" % problem)
    sys.exit(0)

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BETS = np.array([0, 1 / 16, 1 / 8, 1 / 4, 1 / 2])
WEIGHTS = np.array([1 / 2, 1 / 8, 1 / 8, 1 / 8, 1 / 8])


def counts(dice, most=7):
    """k of n, n to 10⁷ evenly over the powers of ten, k often at an edge."""
    n = int(10 ** dice.uniform(0, most))
    k = dice.choice([0, n, min(1, n), n - 1 if n > 1 else 0, dice.randint(0, n), dice.randint(0, max(1, n // 100))])
    return min(k, n), n


def log_e(k, n, limit):
    return special.logsumexp(special.xlogy(k, BETS) + (n - k) * (np.log1p(-BETS * limit) - math.log1p(-limit)), b=WEIGHTS)


def anytime(k, n, alpha):
    if k >= n or log_e(k, n, 1 - 1e-16) < -math.log(alpha):
        return 1.0
    bar = -math.log(alpha)
    start = max(k / n, 1e-300)
    return optimize.brentq(lambda p: log_e(k, n, p) - bar, start, 1 - 1e-16, xtol=1e-300, rtol=8.9e-16)


def one_sided(k, n, alpha):
    lower = 0.0 if k == 0 else stats.beta.ppf(alpha, k, n - k + 1)
    upper = 1.0 if k == n else stats.beta.isf(alpha, k + 1, n - k)
    return [float(lower), float(upper)]


def most_marked(k, n, population, alpha):
    low, high = k, population - n + k
    while low < high:
        middle = (low + high + 1) // 2
        if stats.hypergeom.cdf(k, population, middle, n) > alpha:
            low = middle
        else:
            high = middle - 1
    return low


def grid(seed):
    dice = random.Random(seed)
    rows = {name: [] for name in ("one_sided", "clopper_pearson", "wilson", "tail", "log_e", "anytime", "hypergeometric", "at_most",
                                  "mcnemar", "kappa", "normal", "isotonic", "psi")}
    for _ in range(200):
        k, n = counts(dice)
        alpha = dice.choice([0.05, 0.01, 0.0243, 0.2])
        rows["one_sided"].append([k, n, alpha] + one_sided(k, n, alpha))
        rows["clopper_pearson"].append([k, n, alpha] + [float(x) for x in proportion_confint(k, n, alpha, "beta")])
        rows["wilson"].append([k, n, alpha] + [float(x) for x in proportion_confint(k, n, alpha, "wilson")])
        # Near the mean: far in the tail both sides are zero.
        rate = min(0.999, max(1e-7, (k / n) * dice.uniform(0.8, 1.25) or dice.uniform(0, 3 / n)))
        p = float(stats.binom.cdf(k, n, rate))
        if p > 1e-290:
            rows["tail"].append([k, n, rate, p])
        limit = 10 ** dice.uniform(-4, -0.5)
        rows["log_e"].append([k, n, limit, float(log_e(k, n, limit))])
        if k < n:
            rows["anytime"].append([k, n, alpha, float(anytime(k, n, alpha))])
        a, b = dice.randint(0, 60), dice.randint(0, 60)
        rows["mcnemar"].append([a, b, float(mcnemar([[5, a], [b, 5]], exact=True).pvalue)])
        quantile = dice.uniform(1e-12, 1 - 1e-12)
        rows["normal"].append([quantile, float(stats.norm.ppf(quantile))])
    for _ in range(60):
        population = int(10 ** dice.uniform(0.5, 4.5))
        n = dice.randint(1, population)
        k = dice.choice([0, min(1, n), dice.randint(0, min(n, 5))])
        most = most_marked(k, n, population, 0.05)
        # Where a probability is 0.05 to the last digits (none of 12 drawn from 16 with 2 marked), rounding decides.
        if not any(abs(stats.hypergeom.cdf(k, population, marked, n) - 0.05) < 1e-9 for marked in (most, most + 1)):
            rows["hypergeometric"].append([k, n, population, most])
        marked = dice.randint(0, population)
        x = dice.randint(max(0, n + marked - population), min(n, marked))
        p = float(stats.hypergeom.cdf(x, population, marked, n))
        if p > 1e-12:
            rows["at_most"].append([x, n, marked, population, p])
        size = dice.randint(2, 4)
        table = [[dice.randint(1, 50) for _ in range(size)] for _ in range(size)]
        rows["kappa"].append({"table": table, "kappa": float(cohens_kappa(np.array(table)).kappa)})
        values = [dice.gauss(i / 5, 1) for i in range(dice.randint(1, 30))]
        weights = [dice.uniform(0.1, 3) for _ in values]
        rows["isotonic"].append({"values": values, "weights": weights, "fit": [float(x) for x in optimize.isotonic_regression(values, weights=weights).x]})
        e, a = (np.random.default_rng(dice.randrange(1 << 30)).dirichlet([1] * 6) + 1e-3 for _ in range(2))
        rows["psi"].append({"e": list(e), "a": list(a), "psi": float(np.sum(special.rel_entr(a, e) + special.rel_entr(e, a)))})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--only-grid", metavar="FILE")
    options = parser.parse_args()
    rows = grid(options.seed)
    print("seed %d: %s" % (options.seed, ", ".join("%s %d" % (name, len(list_)) for name, list_ in rows.items())), flush=True)
    if options.only_grid:
        with open(options.only_grid, "w", encoding="utf-8") as file:
            json.dump(rows, file)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "grid.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(rows, file)
        environment = {**os.environ, "SHADOW_ROUTER_STATISTICS_GRID": path}
        return subprocess.run(["swift", "test", "--filter", "StatisticsGridTests"], cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
