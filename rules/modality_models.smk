# MM-IMDB and CMU-MOSEI (task): prepared arrays to experts, the grid of dynamic models, and metrics.
# Needs: results/{preset}/{task}/prepared/manifest.json with its arrays.
# Makes: in results/{preset}/{task}/: experts/{expert}/seed{seed}/ (weights, history, training,
#        metrics, predictions, the stored outputs that frozen grid points share, folds/), madds/,
#        dynamic/{point}/seed~{seed}/ (the same files).
# {point} is lambda~<l>/tau~<t>/mode~<m>/freeze~<f>, its values as the user typed them, or
# gate~<name>. Trainings keep their unfinished state in
# results/{preset}/{task}/resume/, which is no output: Snakemake deletes those of a job that fails.


rule count_expert_madds:
    """Measure the multiply-adds of every configured expert and of the gate."""
    input:
        prepared="results/{preset}/{task}/prepared/manifest.json",
    output:
        "results/{preset}/{task}/madds/experts.json",
    log:
        "logs/{preset}/{task}/count_expert_madds.log",
    benchmark:
        "results/{preset}/{task}/benchmarks/count_expert_madds.tsv"
    # before any training: it refuses experts under the gate that are out of order
    priority: EARLY
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        **growing(mem_mb=2000, runtime=10),
    params:
        code=task_code_of("count_expert_madds", "gating", modules=modules_of),
        config=lambda wildcards: as_json(modality.madds(config, wildcards.task)),
    shell:
        'python "$DYNMM_SCRIPTS/count_expert_madds.py" --task {wildcards.task} --prepared {input.prepared:q}'
        " --out {output:q} --config {params.config:q} --log {log:q}"


rule train_expert:
    """Train one expert with one seed, by the task loss alone."""
    input:
        prepared="results/{preset}/{task}/prepared/manifest.json",
    output:
        weights="results/{preset}/{task}/experts/{expert}/seed{seed}/weights.safetensors",
        history="results/{preset}/{task}/experts/{expert}/seed{seed}/history.csv",
        training="results/{preset}/{task}/experts/{expert}/seed{seed}/training.json",
    log:
        "logs/{preset}/{task}/train_expert/{expert}.seed{seed}.log",
    benchmark:
        "results/{preset}/{task}/benchmarks/train_expert/{expert}.seed{seed}.tsv"
    conda:
        "../envs/training.yaml"
    threads: threads_of("train_expert")
    resources:
        **resources_of("train_expert"),
    params:
        code=task_code_of("train_expert", modules=modules_of),
        config=lambda wildcards: as_json(
            modality.expert_training(config, wildcards.task, wildcards.expert)
        ),
    shell:
        'python "$DYNMM_SCRIPTS/train_expert.py" --task {wildcards.task} --name {wildcards.expert}'
        " --prepared {input.prepared:q} --seed {wildcards.seed} --resume-dir"
        " results/{wildcards.preset}/{wildcards.task}/resume/{wildcards.expert}/seed{wildcards.seed}"
        " --weights {output.weights:q} --history {output.history:q}"
        " --training {output.training:q} --config {params.config:q} --log {log:q}"


rule store_expert_outputs:
    """Run a frozen expert once: all grid points train their gates on what it says."""
    input:
        prepared="results/{preset}/{task}/prepared/manifest.json",
        training="results/{preset}/{task}/experts/{expert}/seed{seed}/training.json",
    output:
        train="results/{preset}/{task}/experts/{expert}/seed{seed}/outputs_train.npy",
        validation="results/{preset}/{task}/experts/{expert}/seed{seed}/outputs_validation.npy",
    log:
        "logs/{preset}/{task}/store_expert_outputs/{expert}.seed{seed}.log",
    benchmark:
        "results/{preset}/{task}/benchmarks/store_expert_outputs/{expert}.seed{seed}.tsv"
    conda:
        "../envs/training.yaml"
    threads: threads_of("store_expert_outputs")
    resources:
        **resources_of("store_expert_outputs"),
    params:
        code=task_code_of("store_expert_outputs", modules=modules_of),
        config=lambda wildcards: as_json(
            modality.stored_outputs(config, wildcards.task, wildcards.expert)
        ),
    shell:
        'python "$DYNMM_SCRIPTS/store_expert_outputs.py" --task {wildcards.task} --prepared {input.prepared:q}'
        " --training {input.training:q} --train {output.train:q} --validation {output.validation:q}"
        " --config {params.config:q} --log {log:q}"


rule cross_fit_expert:
    """Train an expert once more without a fold; store what it says of that fold."""
    input:
        prepared="results/{preset}/{task}/prepared/manifest.json",
    output:
        "results/{preset}/{task}/experts/{expert}/seed{seed}/folds/{fold}.npz",
    log:
        "logs/{preset}/{task}/cross_fit_expert/{expert}.seed{seed}.fold{fold}.log",
    benchmark:
        "results/{preset}/{task}/benchmarks/cross_fit_expert/{expert}.seed{seed}.fold{fold}.tsv"
    wildcard_constraints:
        fold=r"\d+",
    conda:
        "../envs/training.yaml"
    threads: threads_of("train_expert")
    resources:
        **resources_of("train_expert"),
    params:
        code=task_code_of("cross_fit_expert", modules=modules_of),
        config=lambda wildcards: as_json(
            modality.cross_fitting(config, wildcards.task, wildcards.expert)
        ),
    shell:
        'python "$DYNMM_SCRIPTS/cross_fit_expert.py" --task {wildcards.task} --name {wildcards.expert}'
        " --prepared {input.prepared:q} --fold {wildcards.fold} --seed {wildcards.seed}"
        " --resume-dir results/{wildcards.preset}/{wildcards.task}/resume/{wildcards.expert}/"
        "seed{wildcards.seed}/fold{wildcards.fold} --out {output:q}"
        " --config {params.config:q} --log {log:q}"


rule evaluate_expert:
    """Run one expert over the test split: metrics and predictions."""
    input:
        prepared="results/{preset}/{task}/prepared/manifest.json",
        training="results/{preset}/{task}/experts/{expert}/seed{seed}/training.json",
    output:
        metrics="results/{preset}/{task}/experts/{expert}/seed{seed}/metrics.json",
        predictions="results/{preset}/{task}/experts/{expert}/seed{seed}/predictions.npz",
    log:
        "logs/{preset}/{task}/evaluate_expert/{expert}.seed{seed}.log",
    benchmark:
        "results/{preset}/{task}/benchmarks/evaluate_expert/{expert}.seed{seed}.tsv"
    conda:
        "../envs/training.yaml"
    threads: threads_of("evaluate_expert")
    resources:
        **resources_of("evaluate_expert"),
    params:
        code=task_code_of("evaluate_modality", "gating", "evaluation", modules=modules_of),
        config=lambda wildcards: as_json(
            modality.expert_evaluation(config, wildcards.task, wildcards.expert)
        ),
    shell:
        'python "$DYNMM_SCRIPTS/evaluate_modality.py" --task {wildcards.task} --name {wildcards.expert}'
        " --prepared {input.prepared:q} --training {input.training:q}"
        " --seed {wildcards.seed}"
        " --metrics {output.metrics:q} --predictions {output.predictions:q}"
        " --config {params.config:q} --log {log:q}"


rule train_dynamic:
    """Train one point of the grid with one seed: the gate over frozen experts, or all of them."""
    input:
        prepared="results/{preset}/{task}/prepared/manifest.json",
        experts=expert_files("training.json"),
        stored_train=stored_on_train,
        stored_validation=stored_on_validation,
    output:
        weights=f"{POINT_FOLDER}/weights.safetensors",
        history=f"{POINT_FOLDER}/history.csv",
        training=f"{POINT_FOLDER}/training.json",
    log:
        f"logs/{{preset}}/{{task}}/train_dynamic/{POINT_NAME}.log",
    benchmark:
        f"results/{{preset}}/{{task}}/benchmarks/train_dynamic/{POINT_NAME}.tsv"
    conda:
        "../envs/training.yaml"
    threads: threads_of("train_dynamic")
    resources:
        **resources_of("train_dynamic"),
    params:
        code=task_code_of("train_dynamic", "gating", modules=dynamic_modules_of),
        config=lambda wildcards: as_json(
            modality.dynamic_training(config, wildcards.task, point_of(wildcards))
        ),
    shell:
        'python "$DYNMM_SCRIPTS/train_dynamic.py" --task {wildcards.task} --name dynmm/{wildcards.point}'
        " --prepared {input.prepared:q} --experts {input.experts:q}"
        " --stored-train {input.stored_train:q} --stored-validation {input.stored_validation:q}"
        " --seed {wildcards.seed} --resume-dir results/{wildcards.preset}/{wildcards.task}/"
        "resume/dynamic/{wildcards.point}/seed~{wildcards.seed}"
        " --weights {output.weights:q} --history {output.history:q}"
        " --training {output.training:q} --config {params.config:q} --log {log:q}"


rule evaluate_dynamic:
    """Run one point over the test split, each sample on its expert: metrics and predictions."""
    input:
        prepared="results/{preset}/{task}/prepared/manifest.json",
        training=f"{POINT_FOLDER}/training.json",
        expert_training=expert_files("training.json"),
        folds=fold_files,
    output:
        metrics=f"{POINT_FOLDER}/metrics.json",
        predictions=f"{POINT_FOLDER}/predictions.npz",
    log:
        f"logs/{{preset}}/{{task}}/evaluate_dynamic/{POINT_NAME}.log",
    benchmark:
        f"results/{{preset}}/{{task}}/benchmarks/evaluate_dynamic/{POINT_NAME}.tsv"
    conda:
        "../envs/training.yaml"
    threads: threads_of("evaluate_dynamic")
    resources:
        **resources_of("evaluate_dynamic"),
    params:
        code=task_code_of("evaluate_modality", "gating", "evaluation", modules=dynamic_modules_of),
        config=lambda wildcards: as_json(
            modality.dynamic_evaluation(config, wildcards.task, point_of(wildcards))
        ),
    shell:
        'python "$DYNMM_SCRIPTS/evaluate_modality.py" --task {wildcards.task} --name dynmm'
        " --prepared {input.prepared:q} --training {input.training:q} {input.expert_training:q}"
        " --folds {input.folds:q} --seed {wildcards.seed}"
        " --metrics {output.metrics:q} --predictions {output.predictions:q}"
        " --config {params.config:q} --log {log:q}"
