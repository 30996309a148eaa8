# Figures: finished metrics and histories of the preset in config as pictures.
# Needs: results/{preset}/<task>/.
# Makes: reports/{preset}/nyuv2_history (.pdf, .png); results/{preset}/{nyuv2,mosei}/selection.json where
#        config names frames or a review, right after the data are prepared.


rule check_selection:
    """Look whether the data hold the frames or the review that a figure is told to show."""
    input:
        prepared="results/{preset}/{task}/prepared/manifest.json",
    output:
        "results/{preset}/{task}/selection.json",
    log:
        "logs/{preset}/{task}/check_selection.log",
    benchmark:
        "results/{preset}/{task}/benchmarks/check_selection.tsv"
    wildcard_constraints:
        task=one_of(SELECTING),
    priority: EARLY
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=500, runtime=10),
    params:
        code=code_of("check_selection"),
        config=lambda wildcards: as_json(selection(config, wildcards.task)),
    shell:
        'python "$DYNMM_SCRIPTS/check_selection.py" --task {wildcards.task} --prepared {input.prepared:q}'
        " --out {output:q} --config {params.config:q} --log {log:q}"


rule plot_history:
    """Draw loss and validation score of every training against the epoch."""
    input:
        histories=segmentation_results(
            "models/{run}/seed{seed}/history.csv",
            trained_runs(config["nyuv2"]["runs"]),
        ),
    output:
        pdf="reports/{preset}/nyuv2_history.pdf",
        png=report(
            "reports/{preset}/nyuv2_history.png",
            caption="../workflow/report/history.rst",
            category="Figures",
            labels={"paper": "training on NYU Depth V2"},
        ),
    log:
        "logs/{preset}/plot_history/nyuv2.log",
    benchmark:
        "results/{preset}/benchmarks/plot_history/nyuv2.tsv"
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("plot_history"),
        config=as_json(segmentation.history(config)),
    shell:
        'python "$DYNMM_SCRIPTS/plot_history.py" --histories {input.histories:q} --out {output.pdf:q}'
        " --png {output.png:q} --config {params.config:q} --log {log:q}"
