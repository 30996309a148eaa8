# MM-IMDB and CMU-MOSEI: metrics and predictions of the preset in config as tables and figures.
# Needs: results/{preset}/{mmimdb,mosei}/: metrics.json and predictions.npz of experts and grid
#        points, routing.json; resources/paper.yaml; for Figure 5 the prepared data, which holds the sentences.
# Makes: in reports/{preset}/: table1 and table2 (.csv, .md, .tex), figure4a, figure4b, figure5 and
#        mosei_tradeoff (.pdf, .png).


rule tabulate_modality:
    """Write Table 1 or 2 as CSV, Markdown and LaTeX."""
    input:
        paper=own("resources/paper.yaml"),
        metrics=lambda wildcards: modality_results(
            modality_reports.TABLES[wildcards.table], "metrics.json"
        ),
        routing=routing_numbers,
    output:
        csv=report(
            "reports/{preset}/{table}.csv",
            caption="../workflow/report/modality_table.rst",
            category="Tables",
            labels=paper_label,
        ),
        md="reports/{preset}/{table}.md",
        tex="reports/{preset}/{table}.tex",
    log:
        "logs/{preset}/tabulate_modality/{table}.log",
    benchmark:
        "results/{preset}/benchmarks/tabulate_modality/{table}.tsv"
    wildcard_constraints:
        table=one_of(modality_reports.TABLES),
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("tabulate_modality"),
        config=lambda wildcards: as_json(
            modality_reports.table(config, wildcards.table)
            | routing.gain_column(config, wildcards.table)
        ),
        routing=given_routing,
    shell:
        'python "$DYNMM_SCRIPTS/tabulate_modality.py" --table {wildcards.table} --paper {input.paper:q}'
        " --metrics {input.metrics:q} {params.routing:q} --out {output.csv:q}"
        " --config {params.config:q} --log {log:q}"


rule plot_tradeoff:
    """Draw scores against multiply-adds and expert shares against lambda."""
    input:
        metrics=lambda wildcards: modality_results(
            modality_reports.TRADEOFFS[wildcards.figure][0], "metrics.json"
        ),
    output:
        pdf="reports/{preset}/{figure}.pdf",
        png=report(
            "reports/{preset}/{figure}.png",
            caption="../workflow/report/tradeoff.rst",
            category="Figures",
            labels=paper_label,
        ),
    log:
        "logs/{preset}/plot_tradeoff/{figure}.log",
    benchmark:
        "results/{preset}/benchmarks/plot_tradeoff/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(modality_reports.TRADEOFFS),
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("plot_tradeoff"),
        config=lambda wildcards: as_json(modality_reports.tradeoff(config, wildcards.figure)),
    shell:
        'python "$DYNMM_SCRIPTS/plot_tradeoff.py" --metrics {input.metrics:q} --out {output.pdf:q}'
        " --png {output.png:q} --config {params.config:q} --log {log:q}"


rule plot_sentences:
    """Draw the sentences of one review, coloured by the path that each took."""
    input:
        paper=own("resources/paper.yaml"),
        metrics=modality_results("mosei", "metrics.json"),
        predictions=modality_results("mosei", "predictions.npz"),
        prepared=f"results/{config['preset']}/mosei/prepared/manifest.json",
        selection=selection_file("mosei"),
    output:
        pdf="reports/{preset}/figure5.pdf",
        png=report(
            "reports/{preset}/figure5.png",
            caption="../workflow/report/figure5.rst",
            category="Figures",
            labels={"paper": "Figure 5"},
        ),
    log:
        "logs/{preset}/plot_sentences/figure5.log",
    benchmark:
        "results/{preset}/benchmarks/plot_sentences/figure5.tsv"
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("plot_sentences"),
        config=as_json(modality_reports.sentences(config)),
    shell:
        'python "$DYNMM_SCRIPTS/plot_sentences.py" --paper {input.paper:q} --metrics {input.metrics:q}'
        " --predictions {input.predictions:q} --manifest {input.prepared:q}"
        " --out {output.pdf:q} --png {output.png:q} --config {params.config:q} --log {log:q}"
