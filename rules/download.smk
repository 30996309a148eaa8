# Raw files that config allows to fetch (data.<task>.download, data.imagenet.download for weights of
# encoders) and that are not there yet. Fetched where the command was given, not in a cluster job.
# Needs: config/datasets.yaml (addresses, sizes, checksums), the network.
# Makes: data.<task>.raw_dir/<file>, write-protected. One rule a file, so that a failure costs the
#        others nothing. A file that is there has no rule: it is neither fetched nor asked for again.


for task, file in missing_raw_files():

    rule:
        """Fetch one raw file, going on where an earlier attempt was cut off."""
        name:
            f"download_raw_{re.sub(r'[^A-Za-z0-9]', '_', Path(file).stem)}"
        output:
            protected(raw_path(task, file)),
        log:
            f"logs/download_raw/{task}.{file}.log",
        benchmark:
            f"logs/benchmarks/download_raw/{task}.{file}.tsv"
        localrule: True
        conda:
            "../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=720,
        params:
            code=code_of("download_raw"),
            config=as_json(raw_source(task, file)),
            what=["--task", task, "--file", file, "--raw-dir", str(raw_dir(task))],
        shell:
            'python "$DYNMM_SCRIPTS/download_raw.py" {params.what:q} --config {params.config:q} --log {log:q}'
