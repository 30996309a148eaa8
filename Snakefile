# Dynamic Multimodal Fusion: from raw files to the paper's tables and figures.
# Run `snakemake --cores all`; docs/workflow.md says what runs when, here and on a cluster.

from snakemake.utils import min_version

min_version("9.20")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/download.smk"
include: "rules/nyuv2_data.smk"
include: "rules/nyuv2_models.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"


wildcard_constraints:
    preset=one_of([config["preset"]]),
    seed=r"\d+",


localrules:
    all,


rule all:
    """Every table and figure of the preset in config."""
    default_target: True
    input:
        expand("reports/{table}.csv", table=["table3", "table4"]),
        "reports/nyuv2_history.pdf",


onstart:
    start_of_run()
