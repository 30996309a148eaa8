# NYU Depth V2: raw files to prepared arrays.
# Needs: nyu_depth_v2_labeled.mat, splits.mat and classMapping40.mat in data.nyuv2.raw_dir.
# Makes: results/{preset}/nyuv2/prepared/: manifest.json (checksums, statistics) and the arrays.
# Later stages take the manifest alone as input: it stands for the arrays by their checksums, and
# stays small enough to be compared by content.


rule prepare_nyuv2:
    """Split, map to 40 classes and store as arrays that trainers read by memory map."""
    input:
        mat=raw_file("nyuv2", "nyu_depth_v2_labeled.mat"),
        splits=raw_file("nyuv2", "splits.mat"),
        mapping=raw_file("nyuv2", "classMapping40.mat"),
    output:
        manifest="results/{preset}/nyuv2/prepared/manifest.json",
        arrays=expand(
            "results/{{preset}}/nyuv2/prepared/{split}_{array}.npy",
            split=["train", "test"],
            array=["rgb", "depth", "depth_raw", "labels"],
        ),
    log:
        "logs/{preset}/nyuv2/prepare_nyuv2.log",
    benchmark:
        "results/{preset}/nyuv2/benchmarks/prepare_nyuv2.tsv"
    priority: EARLY
    conda:
        "../envs/data.yaml"
    threads: threads_of("prepare_nyuv2")
    resources:
        **resources_of("prepare_nyuv2"),
    params:
        code=code_of("prepare_nyuv2"),
        config=as_json(config["nyuv2"]["prepare"]),
    shell:
        'python "$DYNMM_SCRIPTS/prepare_nyuv2.py" --mat {input.mat:q} --splits {input.splits:q}'
        " --mapping {input.mapping:q} --out results/{wildcards.preset}/nyuv2/prepared"
        " --config {params.config:q} --log {log:q}"
