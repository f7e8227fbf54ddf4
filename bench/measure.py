"""Several things measured in turn, so that what disturbs one disturbs the others too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median

from bench.native import Sample

BUSY = 0.85  # share of the time that a saturated server's main thread must have run


def in_turn(rounds: int, sides: Mapping[str, Callable[[], Sample]]) -> dict[str, list[Sample]]:
    """Each side once a round, in one order and then the other."""
    samples: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides)
        for name in names if number % 2 == 0 else reversed(names):
            samples[name].append(sides[name]())
    return samples


def undisturbed(*sides: Sequence[Sample]) -> list[int]:
    """The rounds in which every side's server had its core to itself and was kept busy.

    A server that waits, because something else took its core or the generator's, shows no limit of its own:
    of two such sides the faster one loses more, and the ratio flatters the slower.
    """
    return [
        number for number, samples in enumerate(zip(*sides, strict=True)) if all(each.busy >= BUSY for each in samples)
    ]


def ratio(over: Sequence[Sample], under: Sequence[Sample]) -> float:
    """The median of the rounds' ratios of rates, over the undisturbed rounds if there are any."""
    rounds = undisturbed(over, under) or range(len(over))
    return median(over[number].rate / under[number].rate for number in rounds)


def cpu_ratio(over: Sequence[Sample], under: Sequence[Sample]) -> float:
    """The same by the server's CPU for one message, which others on the machine disturb less."""
    return median(b.cpu_us / a.cpu_us for a, b in zip(over, under, strict=True))


def rate(samples: Sequence[Sample]) -> float:
    return median(sample.rate for sample in samples)


def cpu(samples: Sequence[Sample]) -> float:
    """Microseconds of the server's CPU for one message."""
    return median(sample.cpu_us for sample in samples)


def p99(samples: Sequence[Sample]) -> float:
    return median(sample.p99_us for sample in samples)


def of_backend(samples: Sequence[Sample]) -> list[Sample]:
    """The samples as its backend would tell them, where that is what is busy."""
    return [replace(sample, cpu_us=sample.backend_us) for sample in samples]


def beside(mine: tuple[str, Sequence[Sample]], base: tuple[str, Sequence[Sample]]) -> str:
    """Both sides in words."""
    kept = len(undisturbed(mine[1], base[1]))
    rounds = f"{kept} of {len(mine[1])} rounds undisturbed"
    return f"{shown(*mine)}, {shown(*base)}; by CPU {cpu_ratio(mine[1], base[1]):.2f}, {rounds}"


def shown(name: str, samples: Sequence[Sample]) -> str:
    return f"{name} {rate(samples):,.0f}/s ({cpu(samples):.1f} us CPU)"


def numbers(samples: Mapping[str, Sequence[Sample]]) -> dict[str, object]:
    """What goes into the results file."""
    return {
        name: {
            "rate": round(rate(each)),
            "cpu_us": round(cpu(each), 2),
            "p99_us": round(p99(each), 1),
            "rates": [round(sample.rate) for sample in each],
            **({"backend_us": round(median(sample.backend_us for sample in each), 2)} if each[0].backend_us else {}),
        }
        for name, each in samples.items()
    }
