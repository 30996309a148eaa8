# Where Snakemake's record of a result is lost (.snakemake removed, or results brought from elsewhere),
# the provenance that the result carries stands in for it: what differs from the plan is made again.
# Needs: all other rules.
# Makes: no files.

from snakemake.jobs import Job
from snakemake.settings.types import RerunTrigger

from dynmm.carried_provenance import is_as_planned

# its files cannot carry any; a gate's training has their digests, the expert's all that they follow from
# but the size of batches
WITHOUT_PROVENANCE = ("store_expert_outputs",)


def compare_without_records():
    """Give every rule with settings an input function that gives no file, but looks at results.

    Input functions alone are called for each job of a plan before Snakemake decides what runs. It
    takes a result without a record for made as planned, whatever config and code say.
    """
    if workflow.remote_exec or workflow.subprocess_exec:
        return
    for maker in workflow.rules:
        if "config" in maker.params.keys() and maker.name not in WITHOUT_PROVENANCE:
            maker.set_input(_comparing(maker))


def _comparing(maker):
    looking = []  # at a job, whose inputs are asked for meanwhile

    @or_stop
    def compare(wildcards):
        first = maker.output[0].apply_wildcards(wildcards)
        lost = os.path.exists(first) and not _is_recorded(first)
        if lost and not looking and RerunTrigger.PARAMS in workflow.rerun_triggers:
            looking.append(first)
            job = Job(maker, workflow.dag, dict(wildcards.items()))
            looking.clear()
            if is_made_otherwise(job) is not False:
                workflow.dag.forcefiles.update(job.output)
                _say_once()
        return []

    return compare


def _is_recorded(file):
    """Whether Snakemake has a record of a file."""
    records = workflow.persistence
    if hasattr(records, "_record_path"):  # to look whether it is there is quicker than to read it
        return os.path.exists(records._record_path(records._metadata_path, file))
    return records.metadata(file) is not None


def is_made_otherwise(job):
    """Whether a job's results carry other settings, code or inputs than it has; None: they don't say."""
    settings, code = json.loads(job.params["config"]), job.params["code"]
    as_planned = is_as_planned(job.output, settings, code, job.input)
    return None if as_planned is None else not as_planned


@functools.cache
def _say_once():
    print(
        "Snakemake's records of results are lost (.snakemake). Those that were made with other "
        "settings or code than today's are made again, and those that do not say how.",
        file=sys.stderr,
    )


compare_without_records()
