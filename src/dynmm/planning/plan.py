"""The plan of a run: what its jobs would cost, as a page."""

import yaml

from dynmm.planning.costs import Means
from dynmm.planning.disk import Sizes
from dynmm.planning.durations import MeasuredRuns
from dynmm.planning.jobs import Job, JobGraph
from dynmm.planning.page import page


def plan(jobs, cores, gpus, workflow):
    """The page of a plan; paths of jobs are relative to the working directory.

    Args:
        jobs: keyword arguments of a `Job` each, of all jobs that would run.
        cores: number of cores of the run; None where nobody said.
        gpus: jobs that may use a GPU at a time; 0 where such jobs take cores alone, None where
            there is no bound.
        workflow: folder of the workflow.
    """
    graph, runs = JobGraph([Job(**job) for job in jobs]), MeasuredRuns()
    durations = {job: runs.duration(job) for job in graph.jobs}
    paper = yaml.safe_load((workflow / "resources" / "paper.yaml").read_text(encoding="utf-8"))
    disk = Sizes(paper["data_sets"]).disk(graph.jobs)
    return page(graph, durations, disk, Means(cores, gpus))
