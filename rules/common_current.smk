# Which results are there as config, code and data say today.
# Needs: common.smk; Snakemake's records of the jobs that it finished.
# Makes: no files. Nothing is looked at before it is asked for.

from snakemake.jobs import Job

from dynmm.files import sha256


@functools.cache
def is_current(path):
    """Whether a result is there, and Snakemake would leave alone it and all that it follows from.

    What is prepared stands for the raw files.
    """
    if not Path(path).exists():
        return False
    maker = next((r for r in workflow.rules if r.is_producer(path)), None)
    if maker is None:
        return True
    job = Job(maker, workflow.dag, maker.get_wildcards(path))
    if not _is_made_by(job, path):
        return False
    return maker.name.startswith("prepare_") or all(
        _was_read(job, path, file) and is_current(str(file)) for file in job.input
    )


def _is_made_by(job, path):
    """Whether a file was made with today's settings, by today's code, from the same set of inputs.

    So say Snakemake's records. Where they are lost, a result that carries its provenance says it.
    """
    records = workflow.persistence
    if records.has_metadata(job):
        return not records.params_changed(job) and not any(records.input_changed(job))
    return "config" not in job.params.keys() or is_made_otherwise(job) is not True


def _was_read(job, path, file):
    """Whether a job has read the bytes that its input has now."""
    if not Path(file).exists() or Path(file).stat().st_mtime <= Path(path).stat().st_mtime:
        return True
    return workflow.persistence.input_checksums(job, file) == {f"sha256:{sha256(file)}"}
