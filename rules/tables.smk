# Tables: metrics of the preset in config, beside the paper's numbers.
# Needs: results/{preset}/<task>/metrics/ and, for gains over random, routing.json;
#        resources/paper.yaml.
# Makes: reports/table*.csv, .md and .tex of the preset last asked for.


rule tabulate_segmentation:
    """Write Table 3 or 4 as CSV, Markdown and LaTeX."""
    input:
        paper="resources/paper.yaml",
        metrics=segmentation_results("metrics/{run}/seed{seed}/metrics.json"),
        routing=routing_numbers,
    output:
        csv=report(
            "reports/{table}.csv",
            caption="../reports/captions/segmentation_table.rst",
            category="Tables",
            labels=paper_label,
        ),
        md="reports/{table}.md",
        tex="reports/{table}.tex",
    log:
        "logs/tabulate_segmentation/{table}.log",
    benchmark:
        "logs/benchmarks/tabulate_segmentation/{table}.tsv"
    wildcard_constraints:
        table="table3|table4",
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("tabulate_segmentation"),
        config=lambda wildcards: as_json(
            segmentation.table(config) | routing.gain_column(config, wildcards.table)
        ),
        routing=given_routing,
    shell:
        "python workflow/scripts/tabulate_segmentation.py --table {wildcards.table} --paper {input.paper:q}"
        " --metrics {input.metrics:q} {params.routing:q} --out {output.csv:q}"
        " --config {params.config:q} --log {log:q}"
