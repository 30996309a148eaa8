"""What a table or figure lacks, in words: "Partial: 37 of 42 results; lacking: lrtf (seed 1)."."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

PARTIAL = "partial"  # key of a slice of the configuration, and column of a CSV
NAMED = 4  # models that print names


class Lacking(NamedTuple):
    """A model that lacks results.

    Attributes:
        name: what print calls it.
        seeds: of the results that lack; none where it has no seeds.
        stale: whether they are there, but made with other settings, code or data than today's.
    """

    name: str
    seeds: tuple = ()
    stale: bool = False

    def __str__(self):
        several = "s" if len(self.seeds) > 1 else ""
        words = [f"seed{several} {', '.join(map(str, self.seeds))}"] if self.seeds else []
        words += ["out of date"] if self.stale else []
        return f"{self.name} ({': '.join(words)})" if words else self.name


def lacking(results):
    """The models among results that lack, each once.

    Args:
        results: (name, seed or None, stale) of each.

    Returns:
        List of `Lacking`, models in the order of their first result.
    """
    found = {}
    for name, seed, stale in results:
        found.setdefault((name, stale), []).extend([] if seed is None else [seed])
    return [Lacking(name, tuple(seeds), stale) for (name, stale), seeds in found.items()]


def counted(found, of, models):
    """How many results there are, of how many, and what lacks, in words.

    Where nothing was made yet, no model is named.

    Args:
        found, of: numbers of results.
        models: list of `Lacking`.
    """
    words = [f"{found} of {of} results"]
    if not found and not any(model.stale for model in models):
        return words[0]
    if models:
        words.append(f"lacking: {'; '.join(map(str, models[:NAMED]))}")
    if more := sum(max(1, len(model.seeds)) for model in models[NAMED:]):
        words.append(f"and {more} more")
    return "; ".join(words)


@dataclass(frozen=True)
class Gaps:
    """How complete a report is, as its slice of the configuration says.

    Attributes:
        remark: a sentence for print; empty for a report that has to be complete.
        seeds: how many results a point of the grid has when complete.
        missing: run or expert -> how many of its results lack.
        modes: how the gates of points of the grid that lack choose in inference, hard or soft.
    """

    remark: str = ""
    seeds: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    modes: Sequence[str] = ()

    @classmethod
    def of(cls, config):
        """Those of a slice."""
        return cls(**config.get(PARTIAL, {}))

    def entry(self):
        """What `of` reads in a slice."""
        return {PARTIAL: asdict(self)}

    @property
    def remarks(self):
        """The remark as a list of lines under a figure."""
        return [self.remark] if self.remark else []

    def marked(self, frame):
        """The frame of a CSV with the remark in a column."""
        return frame.assign(**{PARTIAL: self.remark}) if self.remark else frame


NO_GAPS = Gaps()
