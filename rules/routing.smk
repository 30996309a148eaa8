# Does the gate route? Gates beside random choice, oracle, cascade and a linear router at their cost.
# Needs: results/{preset}/{mmimdb,mosei}/: metrics.json and predictions.npz of experts and grid points,
#        stored outputs of frozen experts on the validation split, the prepared arrays;
#        results/{preset}/nyuv2/: weights of the runs with a gate, metrics of all, madds/.
# Makes: results/{preset}/nyuv2/routing/{run}/seed{seed}.npz (every test frame on every path),
#        results/{preset}/{task}/routing.json (all numbers) and reports/{preset}/routing_{task}
#        (.csv, .md, .pdf, .png).
# Forced paths keep finished batches in results/{preset}/nyuv2/resume/paths/, which is no output.


rule evaluate_paths:
    """Run every test frame on every path of one network: predictions, entropies, gate logits."""
    input:
        prepared="results/{preset}/nyuv2/prepared/manifest.json",
        weights=segmentation_weights,
    output:
        "results/{preset}/nyuv2/routing/{run}/seed{seed}.npz",
    log:
        "logs/{preset}/nyuv2/evaluate_paths/{run}.seed{seed}.log",
    benchmark:
        "results/{preset}/nyuv2/benchmarks/evaluate_paths/{run}.seed{seed}.tsv"
    wildcard_constraints:
        run=one_of(routing.gated_runs(config)),
    conda:
        "../envs/training.yaml"
    threads: threads_of("evaluate_paths")
    resources:
        **resources_of("evaluate_paths"),
    params:
        code=code_of("evaluate_paths"),
        released=lambda wildcards: released_digest(wildcards.run),
        config=lambda wildcards: as_json(routing.forced_paths(config, wildcards.run)),
    shell:
        'python "$DYNMM_SCRIPTS/evaluate_paths.py" --run {wildcards.run} --prepared {input.prepared:q}'
        " --weights {input.weights:q} --seed {wildcards.seed}"
        " --resume-dir results/{wildcards.preset}/nyuv2/resume/paths/{wildcards.run}/seed{wildcards.seed}"
        " --out {output:q} --config {params.config:q} --log {log:q}"


rule evaluate_path_routing:
    """Compare the gates over fused cells with other policies at their cost."""
    input:
        paths=segmentation_results("routing/{run}/seed{seed}.npz", routing.gated_runs(config)),
        metrics=segmentation_results("metrics/{run}/seed{seed}/metrics.json"),
        dynamic="results/{preset}/nyuv2/madds/dynamic.json",
        static="results/{preset}/nyuv2/madds/static.json",
    output:
        "results/{preset}/nyuv2/routing.json",
    log:
        "logs/{preset}/nyuv2/evaluate_path_routing.log",
    benchmark:
        "results/{preset}/nyuv2/benchmarks/evaluate_path_routing.tsv"
    conda:
        "../envs/training.yaml"
    threads: threads_of("evaluate_routing")
    resources:
        **resources_of("evaluate_routing"),
    params:
        code=code_of("evaluate_path_routing"),
        config=as_json(routing.study(config, "nyuv2")),
    shell:
        'python "$DYNMM_SCRIPTS/evaluate_path_routing.py" --paths {input.paths:q} --metrics {input.metrics:q}'
        " --dynamic-madds {input.dynamic:q} --static-madds {input.static:q}"
        " --out {output:q} --config {params.config:q} --log {log:q}"


rule evaluate_routing:
    """Compare every gate over experts with other policies at its cost."""
    input:
        prepared="results/{preset}/{task}/prepared/manifest.json",
        metrics=lambda wildcards: modality_results(wildcards.task, "metrics.json"),
        predictions=lambda wildcards: modality_results(wildcards.task, "predictions.npz"),
        validation=lambda wildcards: stored_validation(wildcards.task),
    output:
        "results/{preset}/{task}/routing.json",
    log:
        "logs/{preset}/{task}/evaluate_routing.log",
    benchmark:
        "results/{preset}/{task}/benchmarks/evaluate_routing.tsv"
    conda:
        "../envs/training.yaml"
    threads: threads_of("evaluate_routing")
    resources:
        **resources_of("evaluate_routing"),
    params:
        code=task_code_of("evaluate_routing", "routing"),
        config=lambda wildcards: as_json(routing.study(config, wildcards.task)),
    shell:
        'python "$DYNMM_SCRIPTS/evaluate_routing.py" --task {wildcards.task} --prepared {input.prepared:q}'
        " --metrics {input.metrics:q} --predictions {input.predictions:q}"
        " --validation {input.validation:q}"
        " --out {output:q} --config {params.config:q} --log {log:q}"


rule tabulate_routing:
    """Write the gates of a task beside the reference policies as CSV and Markdown."""
    input:
        routing=f"results/{config['preset']}/{{task}}/routing.json",
    output:
        csv=report(
            "reports/{preset}/routing_{task}.csv",
            caption="../workflow/report/routing.rst",
            category="Tables",
            labels=lambda wildcards: {"paper": f"routing {wildcards.task}"},
        ),
        md="reports/{preset}/routing_{task}.md",
    log:
        "logs/{preset}/tabulate_routing/{task}.log",
    benchmark:
        "results/{preset}/benchmarks/tabulate_routing/{task}.tsv"
    wildcard_constraints:
        task=one_of(TASKS),
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("tabulate_routing"),
        config=lambda wildcards: as_json(routing.report(config, wildcards.task)),
    shell:
        'python "$DYNMM_SCRIPTS/tabulate_routing.py" --routing {input.routing:q} --out {output.csv:q}'
        " --md {output.md:q} --config {params.config:q} --log {log:q}"


rule plot_routing:
    """Draw score against multiply-adds for the gates of a task and the reference policies."""
    input:
        routing=f"results/{config['preset']}/{{task}}/routing.json",
    output:
        pdf="reports/{preset}/routing_{task}.pdf",
        png=report(
            "reports/{preset}/routing_{task}.png",
            caption="../workflow/report/routing.rst",
            category="Figures",
            labels=lambda wildcards: {"paper": f"routing {wildcards.task}"},
        ),
    log:
        "logs/{preset}/plot_routing/{task}.log",
    benchmark:
        "results/{preset}/benchmarks/plot_routing/{task}.tsv"
    wildcard_constraints:
        task=one_of(TASKS),
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("plot_routing"),
        config=lambda wildcards: as_json(routing.report(config, wildcards.task)),
    shell:
        'python "$DYNMM_SCRIPTS/plot_routing.py" --routing {input.routing:q} --out {output.pdf:q}'
        " --png {output.png:q} --config {params.config:q} --log {log:q}"
