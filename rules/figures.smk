# Figures: finished metrics and histories of the preset in config as pictures.
# Needs: results/{preset}/<task>/.
# Makes: reports/*.pdf and .png of the preset last asked for.


rule plot_history:
    """Draw loss and validation score of every training against the epoch."""
    input:
        histories=segmentation_results(
            "models/{run}/seed{seed}/history.csv",
            trained_runs(config["nyuv2"]["runs"]),
        ),
    output:
        pdf="reports/nyuv2_history.pdf",
        png=report(
            "reports/nyuv2_history.png",
            caption="../reports/captions/history.rst",
            category="Figures",
            labels={"paper": "training on NYU Depth V2"},
        ),
    log:
        "logs/plot_history/nyuv2.log",
    benchmark:
        "logs/benchmarks/plot_history/nyuv2.tsv"
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("plot_history"),
        config=as_json(segmentation.history(config)),
    shell:
        "python workflow/scripts/plot_history.py --histories {input.histories:q} --out {output.pdf:q}"
        " --png {output.png:q} --config {params.config:q} --log {log:q}"
