# Partial reports: every table and figure from the results that are there. Each says how many of how
# many, and what lacks. Nothing is trained, prepared or evaluated for them; the routing study of what
# is there is made where the whole one lacks.
# Needs: results/{preset}/<task>/, as far as Snakemake would leave it as it is.
# Makes: reports/{preset}/partial/, files named as in reports/{preset}/;
#        results/{preset}/{task}/partial/routing.json.
# Rules and commands are those of complete reports. Inputs are named by their whole path: no rule makes
# such a file, so that nothing behind it is planned.


use rule evaluate_routing as partial_evaluate_routing with:
    input:
        prepared=source("results/{preset}/{task}/prepared/manifest.json"),
        metrics=of_report("routing_{task}", results_found),
        predictions=of_report("routing_{task}", predictions_found),
        validation=of_report("routing_{task}", validation_found),
    output:
        "results/{preset}/{task}/partial/routing.json",
    log:
        "logs/{preset}/{task}/partial/evaluate_routing.log",
    benchmark:
        "results/{preset}/{task}/benchmarks/partial/evaluate_routing.tsv"


use rule evaluate_path_routing as partial_evaluate_path_routing with:
    input:
        paths=of_report("routing_nyuv2", forced_paths_found),
        metrics=of_report("routing_nyuv2", results_found),
        dynamic=source("results/{preset}/nyuv2/madds/dynamic.json"),
        static=source("results/{preset}/nyuv2/madds/static.json"),
    output:
        "results/{preset}/nyuv2/partial/routing.json",
    log:
        "logs/{preset}/nyuv2/partial/evaluate_path_routing.log",
    benchmark:
        "results/{preset}/nyuv2/benchmarks/partial/evaluate_path_routing.tsv"


use rule tabulate_segmentation as partial_tabulate_segmentation with:
    input:
        paper=own("resources/paper.yaml"),
        metrics=of_report("{table}", results_found),
        routing=partial_study,
    output:
        csv="reports/{preset}/partial/{table}.csv",
        md="reports/{preset}/partial/{table}.md",
        tex="reports/{preset}/partial/{table}.tex",
    log:
        "logs/{preset}/partial/tabulate_segmentation/{table}.log",
    benchmark:
        "results/{preset}/benchmarks/partial/tabulate_segmentation/{table}.tsv"
    params:
        config=with_gaps(rules.tabulate_segmentation, "{table}"),


use rule tabulate_modality as partial_tabulate_modality with:
    input:
        paper=own("resources/paper.yaml"),
        metrics=of_report("{table}", results_found),
        routing=partial_study,
    output:
        csv="reports/{preset}/partial/{table}.csv",
        md="reports/{preset}/partial/{table}.md",
        tex="reports/{preset}/partial/{table}.tex",
    log:
        "logs/{preset}/partial/tabulate_modality/{table}.log",
    benchmark:
        "results/{preset}/benchmarks/partial/tabulate_modality/{table}.tsv"
    params:
        config=with_gaps(rules.tabulate_modality, "{table}"),


use rule plot_tradeoff as partial_plot_tradeoff with:
    input:
        metrics=of_report("{figure}", results_found),
    output:
        pdf="reports/{preset}/partial/{figure}.pdf",
        png="reports/{preset}/partial/{figure}.png",
    log:
        "logs/{preset}/partial/plot_tradeoff/{figure}.log",
    benchmark:
        "results/{preset}/benchmarks/partial/plot_tradeoff/{figure}.tsv"
    params:
        config=with_gaps(rules.plot_tradeoff, "{figure}"),


use rule plot_sentences as partial_plot_sentences with:
    input:
        paper=own("resources/paper.yaml"),
        metrics=of_report("figure5", results_found),
        predictions=of_report("figure5", predictions_found),
        prepared=source("results/{preset}/mosei/prepared/manifest.json"),
    output:
        pdf="reports/{preset}/partial/figure5.pdf",
        png="reports/{preset}/partial/figure5.png",
    log:
        "logs/{preset}/partial/plot_sentences/figure5.log",
    benchmark:
        "results/{preset}/benchmarks/partial/plot_sentences/figure5.tsv"
    params:
        config=with_gaps(rules.plot_sentences, "figure5"),


use rule plot_history as partial_plot_history with:
    input:
        histories=of_report("nyuv2_history", results_found),
    output:
        pdf="reports/{preset}/partial/nyuv2_history.pdf",
        png="reports/{preset}/partial/nyuv2_history.png",
    log:
        "logs/{preset}/partial/plot_history/nyuv2.log",
    benchmark:
        "results/{preset}/benchmarks/partial/plot_history/nyuv2.tsv"
    params:
        config=with_gaps(rules.plot_history, "nyuv2_history"),


use rule plot_figure6 as partial_plot_figure6 with:
    input:
        sweeps=of_report("figure6", results_found),
    output:
        csv="reports/{preset}/partial/figure6.csv",
        pdf="reports/{preset}/partial/figure6.pdf",
        png="reports/{preset}/partial/figure6.png",
    log:
        "logs/{preset}/partial/plot_figure6/figure6.log",
    benchmark:
        "results/{preset}/benchmarks/partial/plot_figure6/figure6.tsv"
    params:
        config=with_gaps(rules.plot_figure6, "figure6"),


use rule plot_figure7 as partial_plot_figure7 with:
    input:
        frames=of_report("figure7", results_found),
    output:
        pdf="reports/{preset}/partial/figure7.pdf",
        png="reports/{preset}/partial/figure7.png",
    log:
        "logs/{preset}/partial/plot_figure7/figure7.log",
    benchmark:
        "results/{preset}/benchmarks/partial/plot_figure7/figure7.tsv"
    params:
        config=with_gaps(rules.plot_figure7, "figure7"),


use rule plot_robustness as partial_plot_robustness with:
    input:
        sweeps=of_report("robustness_{task}", results_found),
    output:
        csv="reports/{preset}/partial/robustness_{task}.csv",
        pdf="reports/{preset}/partial/robustness_{task}.pdf",
        png="reports/{preset}/partial/robustness_{task}.png",
    log:
        "logs/{preset}/partial/plot_robustness/{task}.log",
    benchmark:
        "results/{preset}/benchmarks/partial/plot_robustness/{task}.tsv"
    params:
        config=with_gaps(rules.plot_robustness, "robustness_{task}"),


use rule tabulate_robustness as partial_tabulate_robustness with:
    input:
        nyuv2=of_report("robustness", sweeps_found("nyuv2")),
        mmimdb=of_report("robustness", sweeps_found("mmimdb")),
        mosei=of_report("robustness", sweeps_found("mosei")),
    output:
        "reports/{preset}/partial/robustness.csv",
    log:
        "logs/{preset}/partial/tabulate_robustness/robustness.log",
    benchmark:
        "results/{preset}/benchmarks/partial/tabulate_robustness/robustness.tsv"
    params:
        config=with_gaps(rules.tabulate_robustness, "robustness"),


use rule tabulate_routing as partial_tabulate_routing with:
    input:
        routing=partial_study,
    output:
        csv="reports/{preset}/partial/routing_{task}.csv",
        md="reports/{preset}/partial/routing_{task}.md",
    log:
        "logs/{preset}/partial/tabulate_routing/{task}.log",
    benchmark:
        "results/{preset}/benchmarks/partial/tabulate_routing/{task}.tsv"
    params:
        config=with_gaps(rules.tabulate_routing, "routing_{task}"),


use rule plot_routing as partial_plot_routing with:
    input:
        routing=partial_study,
    output:
        pdf="reports/{preset}/partial/routing_{task}.pdf",
        png="reports/{preset}/partial/routing_{task}.png",
    log:
        "logs/{preset}/partial/plot_routing/{task}.log",
    benchmark:
        "results/{preset}/benchmarks/partial/plot_routing/{task}.tsv"
    params:
        config=with_gaps(rules.plot_routing, "routing_{task}"),
