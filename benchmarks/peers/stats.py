"""Statistics of timings; the same definitions as compiler/lib/Support/Statistics.cpp."""
import math


def spread(samples):
    """Mean, median, min, p95, p99 (nearest rank) and the 95 % confidence of the mean (normal approximation) of samples."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    count = len(ordered)
    mean = sum(ordered) / count
    variance = sum((s - mean) ** 2 for s in ordered) / (count - 1) if count > 1 else 0.0
    half = 1.96 * math.sqrt(variance / count)

    def rank(share):
        return ordered[min(count - 1, max(1, math.ceil(share * count)) - 1)]

    middle = count // 2
    median = ordered[middle] if count % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return {"count": count, "mean": mean, "median": median, "min": ordered[0], "p95": rank(0.95), "p99": rank(0.99),
            "ci95": [mean - half, mean + half]}


def iterations_for(seconds_each, warmup=100, iterations=1000, slow=0.05, budget=None, least=0.2):
    """How often to run what takes `seconds_each`: (warm-up, counted). Above `slow` seconds a tenth of both; what is over in no time
    runs for `least` seconds (at most 50 times as often), since the clock of the processors' use is coarse. With a budget (seconds for
    warm-up and counted runs together) as many as fit, at least 3 and 10."""
    if seconds_each > slow:
        warmup, iterations = max(3, warmup // 10), max(10, iterations // 10)
    elif seconds_each > 0:
        iterations = min(max(iterations, int(least / seconds_each)), 50 * iterations)
    if budget is not None and seconds_each > 0:
        fit = int(budget / seconds_each)
        if warmup + iterations > fit:
            warmup = max(3, min(warmup, fit // 10))
            iterations = max(10, min(iterations, fit - warmup))
    return warmup, iterations


def split_rounds(iterations, rounds):
    """`iterations` as `rounds` turns that differ by at most one; no empty turns."""
    rounds = max(1, min(rounds, iterations))
    return [iterations // rounds + (1 if i < iterations % rounds else 0) for i in range(rounds)]
