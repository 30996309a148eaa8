# Dynamic Multimodal Fusion: from raw files to the paper's tables and figures.
# Run `snakemake --cores all`; docs/workflow.md says what runs when, here and on a cluster.

from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")
CONFIG = Path("config", "config.yaml")


# that of the working folder, where it has one
configfile: str(CONFIG if CONFIG.exists() else Path(workflow.basedir, CONFIG))


include: "rules/common.smk"
include: "rules/common_modality.smk"
include: "rules/download.smk"
include: "rules/nyuv2_data.smk"
include: "rules/nyuv2_models.smk"
include: "rules/modality_data.smk"
include: "rules/modality_models.smk"
include: "rules/robustness.smk"
include: "rules/routing.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/modality_reports.smk"
include: "rules/reports.smk"
include: "rules/common_current.smk"
include: "rules/common_partial.smk"
include: "rules/partial.smk"


wildcard_constraints:
    preset=one_of([config["preset"]]),
    seed=r"\d+",
    task=one_of(MODALITY_TASKS),
    expert=one_of({name for task in MODALITY_TASKS for name in config[task]["experts"]}),
    point=FOLDERS,


localrules:
    all,
    nyuv2,
    mmimdb,
    mosei,
    robustness,
    routing,
    partial,


rule nyuv2:
    """Tables and figures of NYU Depth V2."""
    input:
        reports_of("{table}.csv", table=["table3", "table4"]),
        *reports_of("nyuv2_history.pdf"),


rule mmimdb:
    """Tables and figures of MM-IMDB."""
    input:
        *reports_of("table1.csv"),
        reports_of("{figure}.pdf", figure=["figure4a", "figure4b"]),
        expand("results/{preset}/mmimdb/madds/experts.json", preset=config["preset"]),


rule mosei:
    """Tables and figures of CMU-MOSEI."""
    input:
        *reports_of("table2.csv"),
        reports_of("{figure}.pdf", figure=["figure5", "mosei_tradeoff"]),
        expand("results/{preset}/mosei/madds/experts.json", preset=config["preset"]),


rule robustness:
    """Noise sweeps of the trained models, and what they look like on single frames."""
    input:
        reports_of("{figure}.pdf", figure=["figure6", "figure7"]),
        reports_of("robustness_{task}.pdf", task=MODALITY_TASKS),
        *reports_of("robustness.csv"),


rule routing:
    """Every gate beside random choice, oracle, cascade and a linear router at its cost."""
    input:
        reports_of("routing_{task}.{form}", task=TASKS, form=["csv", "pdf"]),


rule partial:
    """Every table and figure from the results that are there, each saying what it lacks."""
    input:
        partial_reports,


rule all:
    """Every table and figure of the preset in config."""
    default_target: True
    input:
        rules.nyuv2.input,
        rules.mmimdb.input,
        rules.mosei.input,
        rules.robustness.input,
        rules.routing.input,


include: "rules/common_records.smk"
include: "rules/common_targets.smk"


onstart:
    start_of_run()


onerror:
    keep_unfinished()
