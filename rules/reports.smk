# The preset in use where everyone looks: its tables and figures directly in reports/.
# Needs: reports/{preset}/.
# Makes: reports/<file>, copies of reports/{preset}/<file>; another preset takes their place.

SHOWN = {
    ("csv", "md", "tex"): ["table1", "table2", "table3", "table4"],
    ("csv",): ["robustness"],
    ("pdf", "png"): [
        "figure4a",
        "figure4b",
        "figure5",
        "figure7",
        "mosei_tradeoff",
        "nyuv2_history",
    ],
    ("csv", "pdf", "png"): ["figure6", *expand("robustness_{task}", task=MODALITY_TASKS)],
    ("csv", "md", "pdf", "png"): expand("routing_{task}", task=TASKS),
}

for forms, names in SHOWN.items():

    rule:
        """Copy tables or figures of the preset in use."""
        name:
            f"show_{'_'.join(forms)}"
        input:
            expand(f"reports/{config['preset']}/{{{{report}}}}.{{form}}", form=forms),
        output:
            expand("reports/{{report}}.{form}", form=forms),
        log:
            "logs/show/{report}.log",
        wildcard_constraints:
            report=one_of(names),
        localrule: True
        conda:
            "../envs/reporting.yaml"
        threads: 1
        resources:
            **growing(mem_mb=500, runtime=5),
        shell:
            "cp {input:q} reports 2> {log:q}"
