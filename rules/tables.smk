# Tables: metrics of the preset in config, beside the paper's numbers.
# Needs: results/{preset}/<task>/metrics/ and, for gains over random, routing.json;
#        resources/paper.yaml.
# Makes: reports/{preset}/table3 and table4 (.csv, .md, .tex).


rule tabulate_segmentation:
    """Write Table 3 or 4 as CSV, Markdown and LaTeX."""
    input:
        paper=own("resources/paper.yaml"),
        metrics=segmentation_results("metrics/{run}/seed{seed}/metrics.json"),
        routing=routing_numbers,
    output:
        csv=report(
            "reports/{preset}/{table}.csv",
            caption="../workflow/report/segmentation_table.rst",
            category="Tables",
            labels=paper_label,
        ),
        md="reports/{preset}/{table}.md",
        tex="reports/{preset}/{table}.tex",
    log:
        "logs/{preset}/tabulate_segmentation/{table}.log",
    benchmark:
        "results/{preset}/benchmarks/tabulate_segmentation/{table}.tsv"
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
        'python "$DYNMM_SCRIPTS/tabulate_segmentation.py" --table {wildcards.table} --paper {input.paper:q}'
        " --metrics {input.metrics:q} {params.routing:q} --out {output.csv:q}"
        " --config {params.config:q} --log {log:q}"
