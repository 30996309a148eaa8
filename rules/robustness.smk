# Noise: trained networks on noisy inputs; Figures 6 and 7, and the like for the other tasks.
# Needs: results/{preset}/{task}/: prepared/manifest.json with its arrays, weights, and for NYU Depth
#        V2 madds/.
# Makes: results/{preset}/nyuv2/: noise/{run}/seed{seed}.csv (a row per setting, level and run),
#        predicted_frames.npz; results/{preset}/{mmimdb,mosei}/noise/{model}/seed{seed}.csv;
#        in reports/{preset}/: figure6 (.csv, .pdf, .png), figure7 (.pdf, .png), robustness_{mmimdb,mosei} (.csv,
#        .pdf, .png) and robustness.csv.
# A sweep keeps finished levels in results/{preset}/{task}/resume/noise/, which is no output:
# Snakemake deletes the outputs of a job that fails.


rule evaluate_noise:
    """Sweep noise over the test frames under one network, in every setting."""

    # the settings share a job: its clean pass, and the device
    input:
        prepared="results/{preset}/nyuv2/prepared/manifest.json",
        weights=segmentation_weights,
        madds=segmentation_madds,
    output:
        "results/{preset}/nyuv2/noise/{run}/seed{seed}.csv",
    log:
        "logs/{preset}/nyuv2/evaluate_noise/{run}.seed{seed}.log",
    benchmark:
        "results/{preset}/nyuv2/benchmarks/evaluate_noise/{run}.seed{seed}.tsv"
    wildcard_constraints:
        run=one_of(config["nyuv2"]["noise"]["models"]),
    conda:
        "../envs/training.yaml"
    threads: threads_of("evaluate_noise")
    resources:
        **resources_of("evaluate_noise"),
    params:
        code=code_of("evaluate_noise"),
        released=lambda wildcards: released_digest(wildcards.run),
        config=lambda wildcards: as_json(robustness.noise(config, wildcards.run)),
    shell:
        'python "$DYNMM_SCRIPTS/evaluate_noise.py" --run {wildcards.run}'
        " --prepared {input.prepared:q} --weights {input.weights:q} --madds {input.madds:q}"
        " --seed {wildcards.seed}"
        " --resume-dir results/{wildcards.preset}/nyuv2/resume/noise/{wildcards.run}/seed{wildcards.seed}"
        " --out {output:q} --config {params.config:q} --log {log:q}"


rule plot_figure6:
    """Draw mIoU and the depth encoder's multiply-adds against the level of noise."""
    input:
        sweeps=noise_sweeps(),
    output:
        csv=report(
            "reports/{preset}/figure6.csv",
            caption="../workflow/report/figure6.rst",
            category="Figures",
            labels={"paper": "Figure 6, numbers"},
        ),
        pdf="reports/{preset}/figure6.pdf",
        png=report(
            "reports/{preset}/figure6.png",
            caption="../workflow/report/figure6.rst",
            category="Figures",
            labels={"paper": "Figure 6"},
        ),
    log:
        "logs/{preset}/plot_figure6/figure6.log",
    benchmark:
        "results/{preset}/benchmarks/plot_figure6/figure6.tsv"
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("plot_figure6"),
        config=as_json(robustness.figure6(config)),
    shell:
        'python "$DYNMM_SCRIPTS/plot_figure6.py" --sweeps {input.sweeps:q} --csv {output.csv:q}'
        " --out {output.pdf:q} --png {output.png:q} --config {params.config:q} --log {log:q}"


rule predict_frames:
    """Predict the frames of Figure 7, clean and noisy, with the static and the dynamic network."""
    input:
        prepared="results/{preset}/nyuv2/prepared/manifest.json",
        static=lambda wildcards: weights_of_run(*robustness.predicted_runs(config)[0]),
        dynamic=lambda wildcards: weights_of_run(*robustness.predicted_runs(config)[1]),
        selection=selection_file("nyuv2"),
    output:
        "results/{preset}/nyuv2/predicted_frames.npz",
    log:
        "logs/{preset}/nyuv2/predict_frames.log",
    benchmark:
        "results/{preset}/nyuv2/benchmarks/predict_frames.tsv"
    conda:
        "../envs/training.yaml"
    threads: threads_of("predict_frames")
    resources:
        **resources_of("predict_frames"),
    params:
        code=code_of("predict_frames"),
        released=[released_digest(run) for run, _ in robustness.predicted_runs(config)],
        config=as_json(robustness.predicted_frames(config)),
    shell:
        'python "$DYNMM_SCRIPTS/predict_frames.py" --prepared {input.prepared:q} --static {input.static:q}'
        " --dynamic {input.dynamic:q} --out {output:q} --config {params.config:q} --log {log:q}"


rule plot_figure7:
    """Draw frames, ground truth and predictions, clean and noisy, with the path taken."""
    input:
        frames=f"results/{config['preset']}/nyuv2/predicted_frames.npz",
    output:
        pdf="reports/{preset}/figure7.pdf",
        png=report(
            "reports/{preset}/figure7.png",
            caption="../workflow/report/figure7.rst",
            category="Figures",
            labels={"paper": "Figure 7"},
        ),
    log:
        "logs/{preset}/plot_figure7/figure7.log",
    benchmark:
        "results/{preset}/benchmarks/plot_figure7/figure7.tsv"
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("plot_figure7"),
        config=as_json(robustness.figure7(config)),
    shell:
        'python "$DYNMM_SCRIPTS/plot_figure7.py" --frames {input.frames:q} --out {output.pdf:q}'
        " --png {output.png:q} --config {params.config:q} --log {log:q}"


rule evaluate_feature_noise:
    """Sweep noise over the features of MM-IMDB or CMU-MOSEI under one model, in every setting."""

    # the settings share a job: the start of a program takes longer than such a sweep
    input:
        prepared="results/{preset}/{task}/prepared/manifest.json",
        trainings=swept_trainings,
    output:
        "results/{preset}/{task}/noise/{model}/seed{seed}.csv",
    log:
        "logs/{preset}/{task}/evaluate_feature_noise/{model}.seed{seed}.log",
    benchmark:
        "results/{preset}/{task}/benchmarks/evaluate_feature_noise/{model}.seed{seed}.tsv"
    wildcard_constraints:
        model=one_of(
            sorted({m for task in MODALITY_TASKS for m in robustness.feature_models(config, task)})
        ),
    conda:
        "../envs/training.yaml"
    threads: threads_of("evaluate_feature_noise")
    resources:
        **resources_of("evaluate_feature_noise"),
    params:
        code=task_code_of(
            "evaluate_feature_noise", "gating", "evaluation", modules=dynamic_modules_of
        ),
        config=lambda wildcards: as_json(
            robustness.feature_noise(config, wildcards.task, wildcards.model)
        ),
    shell:
        'python "$DYNMM_SCRIPTS/evaluate_feature_noise.py" --task {wildcards.task} --model {wildcards.model}'
        " --prepared {input.prepared:q} --training {input.trainings:q}"
        " --seed {wildcards.seed} --resume-dir results/{wildcards.preset}/{wildcards.task}/"
        "resume/noise/{wildcards.model}/seed{wildcards.seed}"
        " --out {output:q} --config {params.config:q} --log {log:q}"


rule plot_robustness:
    """Draw the score and the share of the last expert against the level of noise."""
    input:
        sweeps=lambda wildcards: feature_sweeps(wildcards.task),
    output:
        csv=report(
            "reports/{preset}/robustness_{task}.csv",
            caption="../workflow/report/robustness.rst",
            category="Figures",
            labels=lambda wildcards: {"paper": f"robustness {wildcards.task}, numbers"},
        ),
        pdf="reports/{preset}/robustness_{task}.pdf",
        png=report(
            "reports/{preset}/robustness_{task}.png",
            caption="../workflow/report/robustness.rst",
            category="Figures",
            labels=lambda wildcards: {"paper": f"robustness {wildcards.task}"},
        ),
    log:
        "logs/{preset}/plot_robustness/{task}.log",
    benchmark:
        "results/{preset}/benchmarks/plot_robustness/{task}.tsv"
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("plot_robustness"),
        config=lambda wildcards: as_json(robustness.feature_figure(config, wildcards.task)),
    shell:
        'python "$DYNMM_SCRIPTS/plot_robustness.py" --sweeps {input.sweeps:q} --csv {output.csv:q}'
        " --out {output.pdf:q} --png {output.png:q} --config {params.config:q} --log {log:q}"


rule tabulate_robustness:
    """Summarise every sweep as the area under its curve, relative to clean."""
    input:
        nyuv2=noise_sweeps(),
        mmimdb=feature_sweeps("mmimdb"),
        mosei=feature_sweeps("mosei"),
    output:
        report(
            "reports/{preset}/robustness.csv",
            caption="../workflow/report/robustness_areas.rst",
            category="Tables",
            labels={"paper": "robustness of all tasks"},
        ),
    log:
        "logs/{preset}/tabulate_robustness/robustness.log",
    benchmark:
        "results/{preset}/benchmarks/tabulate_robustness/robustness.tsv"
    conda:
        "../envs/reporting.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("tabulate_robustness"),
        config=as_json(robustness.areas(config)),
    shell:
        'python "$DYNMM_SCRIPTS/tabulate_robustness.py" --nyuv2 {input.nyuv2:q} --mmimdb {input.mmimdb:q}'
        " --mosei {input.mosei:q} --out {output:q} --config {params.config:q} --log {log:q}"
