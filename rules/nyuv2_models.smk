# NYU Depth V2: prepared arrays to trained networks, their multiply-adds and their metrics.
# Needs: results/{preset}/nyuv2/prepared/manifest.json with its arrays; released weights where a run
#        of the config names some; ImageNet weights in data.imagenet.raw_dir where it asks for them.
# Makes: models/{run}/seed{seed}/ (weights, history, training), madds/{kind or run}.json and
#        metrics/{run}/seed{seed}/ (metrics, decisions) in results/{preset}/nyuv2/.
# A training keeps its unfinished state in results/{preset}/nyuv2/resume/, which is no output:
# Snakemake deletes the outputs of a job that fails.


rule train_segmentation:
    """Train one network with one seed, from the weights of an earlier run where config says so."""
    input:
        prepared="results/{preset}/nyuv2/prepared/manifest.json",
        init=init_weights,
        imagenet=imagenet_weights,
    output:
        weights="results/{preset}/nyuv2/models/{run}/seed{seed}/weights.safetensors",
        history="results/{preset}/nyuv2/models/{run}/seed{seed}/history.csv",
        training="results/{preset}/nyuv2/models/{run}/seed{seed}/training.json",
    log:
        "logs/{preset}/nyuv2/train_segmentation/{run}.seed{seed}.log",
    benchmark:
        "results/{preset}/nyuv2/benchmarks/train_segmentation/{run}.seed{seed}.tsv"
    wildcard_constraints:
        run=one_of(trained_runs(config["nyuv2"]["runs"])),
    conda:
        "../envs/training.yaml"
    threads: threads_of("train_segmentation")
    resources:
        **resources_of("train_segmentation"),
        # no params: from 8 to 4 workers nothing is trained again
        workers=lambda wildcards: segmentation.loading(config, wildcards.run)["workers"],
        pin_memory=lambda wildcards: segmentation.loading(config, wildcards.run)["pin_memory"],
    params:
        code=code_of("train_segmentation"),
        released=lambda wildcards: released_digest(
            config["nyuv2"]["runs"][wildcards.run].get("init_from")
        ),
        config=lambda wildcards: as_json(segmentation.training(config, wildcards.run)),
        init=lambda wildcards, input: ["--init", str(input.init)] if input.init else [],
        imagenet=lambda wildcards, input: (
            ["--imagenet", str(input.imagenet)] if input.imagenet else []
        ),
    shell:
        'python "$DYNMM_SCRIPTS/train_segmentation.py" --name {wildcards.run} --prepared {input.prepared:q}'
        " {params.init:q} {params.imagenet:q} --seed {wildcards.seed}"
        " --workers {resources.workers} --pin-memory {resources.pin_memory}"
        " --resume-dir results/{wildcards.preset}/nyuv2/resume/{wildcards.run}/seed{wildcards.seed}"
        " --weights {output.weights:q} --history {output.history:q}"
        " --training {output.training:q} --config {params.config:q} --log {log:q}"


rule count_segmentation_madds:
    """Measure the multiply-adds of one kind of network, or of a run's own, path by path."""
    output:
        "results/{preset}/nyuv2/madds/{counted}.json",
    log:
        "logs/{preset}/nyuv2/count_segmentation_madds/{counted}.log",
    benchmark:
        "results/{preset}/nyuv2/benchmarks/count_segmentation_madds/{counted}.tsv"
    wildcard_constraints:
        counted=one_of(
            {"static", "dynamic", *segmentation.counted_networks(config["nyuv2"]["runs"])}
        ),
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        **growing(mem_mb=3000, runtime=10),
    params:
        code=code_of("count_segmentation_madds"),
        config=lambda wildcards: as_json(segmentation.madds(config, wildcards.counted)),
    shell:
        'python "$DYNMM_SCRIPTS/count_segmentation_madds.py" --out {output:q} --config {params.config:q} --log {log:q}'


rule evaluate_segmentation:
    """Run one network over the test split: metrics, and the path of every image."""
    input:
        prepared="results/{preset}/nyuv2/prepared/manifest.json",
        weights=segmentation_weights,
        madds=segmentation_madds,
    output:
        metrics="results/{preset}/nyuv2/metrics/{run}/seed{seed}/metrics.json",
        decisions="results/{preset}/nyuv2/metrics/{run}/seed{seed}/decisions.csv",
    log:
        "logs/{preset}/nyuv2/evaluate_segmentation/{run}.seed{seed}.log",
    benchmark:
        "results/{preset}/nyuv2/benchmarks/evaluate_segmentation/{run}.seed{seed}.tsv"
    wildcard_constraints:
        run=one_of(shown_runs(config["nyuv2"]["runs"])),
    conda:
        "../envs/training.yaml"
    threads: threads_of("evaluate_segmentation")
    resources:
        **resources_of("evaluate_segmentation"),
    params:
        code=code_of("evaluate_segmentation"),
        released=lambda wildcards: released_digest(wildcards.run),
        config=lambda wildcards: as_json(segmentation.evaluation(config, wildcards.run)),
    shell:
        'python "$DYNMM_SCRIPTS/evaluate_segmentation.py" --run {wildcards.run} --prepared {input.prepared:q}'
        " --weights {input.weights:q} --madds {input.madds:q} --seed {wildcards.seed}"
        " --metrics {output.metrics:q} --decisions {output.decisions:q}"
        " --config {params.config:q} --log {log:q}"
