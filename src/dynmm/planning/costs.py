"""What jobs cost: hours of GPUs and of cores, and the least time in which they can end."""

from dataclasses import dataclass

HOUR = 3600


@dataclass(frozen=True)
class Means:
    """With what a run computes.

    Args:
        cores: number of cores; None where nobody said.
        gpus: jobs that use a GPU at a time; 0 where such jobs take cores alone, None where there
            is no bound.
    """

    cores: int | None = None
    gpus: int | None = None


@dataclass(frozen=True)
class Cost:
    """What some jobs take, each counted once.

    Args:
        jobs: their number.
        gpu_hours: hours times the GPUs that a job asks for.
        cpu_hours: hours times its cores.
        measured: False where the hours of one are its time limit.
    """

    jobs: int
    gpu_hours: float
    cpu_hours: float
    measured: bool


def cost_of(jobs, durations):
    """The `Cost` of jobs.

    Args:
        jobs: the jobs, without repeats.
        durations: job -> `Duration`.
    """
    hours = {job: durations[job].seconds / HOUR for job in jobs}
    return Cost(
        jobs=len(hours),
        gpu_hours=sum(job.gpus * hours[job] for job in hours),
        cpu_hours=sum(job.threads * hours[job] for job in hours),
        measured=all(durations[job].measured for job in hours),
    )


def least_seconds(graph, durations, means):
    """What keeps the jobs of a graph from ending sooner: name of the bound -> seconds.

    `chain`: of jobs that wait for each other, the longest. `cores` and `gpus`: all their hours,
    shared out without a gap.
    """
    seconds = {job: durations[job].seconds for job in graph.jobs}
    found = {"chain": graph.longest(seconds)}
    if means.cores:
        taken = sum(min(job.threads, means.cores) * seconds[job] for job in graph.jobs)
        found["cores"] = taken / means.cores
    if means.gpus:
        found["gpus"] = sum(job.gpus * seconds[job] for job in graph.jobs) / means.gpus
    return found
