"""The jobs of a plan: what each needs, and what every table and figure needs of them."""

from dataclasses import dataclass, field
from pathlib import PurePath

REPORTS = "reports"  # folder of the tables and figures


@dataclass(frozen=True, eq=False)
class Job:
    """A job that is to run.

    Args:
        rule: its rule.
        inputs, outputs: paths, relative to the working directory.
        threads: cores that it takes.
        gpus: GPUs that it asks for.
        limit: seconds that it may take.
        benchmark: file that receives its measured seconds; None for a rule without one.
        logs: its log files.
        wildcards: name -> value.
        config: the slice of the configuration that its program is given.
        resume_dir: folder of its unfinished work; None where it keeps none.
        reason: why it is to run.
    """

    rule: str
    inputs: tuple = ()
    outputs: tuple = ()
    threads: int = 1
    gpus: int = 0
    limit: float = 0.0
    benchmark: str | None = None
    logs: tuple = ()
    wildcards: dict = field(default_factory=dict)
    config: dict = field(default_factory=dict)
    resume_dir: str | None = None
    reason: str = ""

    @property
    def verb(self):
        """What the rule does: its first word."""
        return self.rule.split("_")[0]

    @property
    def downloads(self):
        """Whether its time is the network's, of which nothing is known here."""
        return self.verb == "download"


class JobGraph:
    """Jobs and the files between them.

    A rule such as `all` makes nothing; its jobs are left out.
    """

    def __init__(self, jobs):
        self.jobs = [job for job in jobs if job.outputs]
        makers = {path: job for job in self.jobs for path in job.outputs}
        self.needs = {
            job: list(dict.fromkeys(makers[path] for path in job.inputs if path in makers))
            for job in self.jobs
        }

    def behind(self, targets):
        """The set of jobs that `targets` need, and these themselves."""
        found, waiting = set(), list(targets)
        while waiting:
            job = waiting.pop()
            if job not in found:
                found.add(job)
                waiting += self.needs[job]
        return found

    def reports(self):
        """Name of every table and figure -> the set of jobs behind it, sorted by name.

        The files of a report share a name (`table3.csv`, `table3.md`). What the plan makes for no
        report stands under the empty name, last.
        """
        makers = {}
        for job in self.jobs:
            for path in map(PurePath, job.outputs):
                if REPORTS in path.parts[:-1]:
                    makers.setdefault(path.stem, []).append(job)
        found = {name: self.behind(makers[name]) for name in sorted(makers)}
        other = set(self.jobs).difference(*found.values())
        return found | ({"": self.behind(other)} if other else {})

    def places(self):
        """Job -> its place in the longest chain of jobs that ends with it, from 1."""
        return self._until(dict.fromkeys(self.jobs, 1))

    def longest(self, seconds):
        """Seconds of the chain of jobs, each after the one before, that takes longest.

        Args:
            seconds: job -> seconds.
        """
        return max(self._until(seconds).values(), default=0)

    def _until(self, seconds):
        """Job -> seconds until its end where none waits for anything but those that it needs."""
        until, waiting = {}, [(job, False) for job in self.jobs]
        while waiting:
            job, ready = waiting.pop()
            if ready:
                before = max((until[other] for other in self.needs[job]), default=0)
                until[job] = before + seconds[job]
            elif job not in until:
                waiting.append((job, True))
                waiting += [(other, False) for other in self.needs[job] if other not in until]
        return until
