# MM-IMDB and CMU-MOSEI: raw files to prepared arrays.
# Needs: multimodal_imdb.hdf5 in data.mmimdb.raw_dir; in data.mosei.raw_dir mosei_senti_data.pkl, or
#        the compact form of the embedded sample (snippets.tsv, vectors.npz, sample.yaml).
# Makes: results/{preset}/{mmimdb,mosei}/prepared/: manifest.json and the arrays; the expanded sample
#        in results/{preset}/mosei/raw/.
# Later stages take the manifest alone as input: it stands for the arrays by their checksums.


rule prepare_mmimdb:
    """Split films into arrays that trainers read by memory map."""
    input:
        raw=raw_file("mmimdb", "multimodal_imdb.hdf5"),
    output:
        manifest="results/{preset}/mmimdb/prepared/manifest.json",
        arrays=expand(
            "results/{{preset}}/mmimdb/prepared/{split}_{array}.npy",
            split=["train", "dev", "test"],
            array=["text", "image", "genres", "ids"],
        ),
    log:
        "logs/{preset}/mmimdb/prepare_mmimdb.log",
    benchmark:
        "results/{preset}/mmimdb/benchmarks/prepare_mmimdb.tsv"
    priority: EARLY
    conda:
        "../envs/data.yaml"
    threads: threads_of("prepare_mmimdb")
    resources:
        **resources_of("prepare_mmimdb"),
    params:
        code=code_of("prepare_mmimdb"),
        config=as_json(config["mmimdb"]["prepare"]),
    shell:
        'python "$DYNMM_SCRIPTS/prepare_mmimdb.py" --raw {input.raw:q}'
        " --out results/{wildcards.preset}/mmimdb/prepared"
        " --config {params.config:q} --log {log:q}"


rule expand_sample_mosei:
    """Write the raw form of the embedded sample: real sentences, SIMULATED audio and vision."""
    input:
        sample=mosei_sample_files,
    output:
        raw="results/{preset}/mosei/raw/mosei_senti_data.pkl",
        snippets="results/{preset}/mosei/raw/snippets.tsv",
    log:
        "logs/{preset}/mosei/expand_sample_mosei.log",
    benchmark:
        "results/{preset}/mosei/benchmarks/expand_sample_mosei.tsv"
    priority: EARLY
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=10),
    params:
        code=code_of("expand_sample_mosei"),
        sample=str(raw_dir("mosei")),
    shell:
        'python "$DYNMM_SCRIPTS/expand_sample_mosei.py" --sample {params.sample:q} --out {output.raw:q}'
        " --snippets {output.snippets:q} --log {log:q}"


rule prepare_mosei:
    """Cut the padding off and store as ragged arrays that trainers read by memory map."""
    input:
        raw=mosei_raw_files,
    output:
        manifest="results/{preset}/mosei/prepared/manifest.json",
        arrays=expand(
            "results/{{preset}}/mosei/prepared/{split}_{array}.npy",
            split=["train", "valid", "test"],
            array=["vision", "audio", "text", "offsets", "labels", "ids"],
        ),
    log:
        "logs/{preset}/mosei/prepare_mosei.log",
    benchmark:
        "results/{preset}/mosei/benchmarks/prepare_mosei.tsv"
    priority: EARLY
    conda:
        "../envs/data.yaml"
    threads: threads_of("prepare_mosei")
    resources:
        **resources_of("prepare_mosei"),
    params:
        code=code_of("prepare_mosei"),
        raw_dir=lambda wildcards, input: os.path.dirname(input.raw[0]),
    shell:
        'python "$DYNMM_SCRIPTS/prepare_mosei.py" --raw-dir {params.raw_dir:q}'
        " --out results/{wildcards.preset}/mosei/prepared --log {log:q}"
