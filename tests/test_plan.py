"""What a plan says, by hand-made graphs and files."""

import json
import logging
import re
from pathlib import Path

import pytest

import toy_training
from dynmm.data.nyuv2.prepare import prepare
from dynmm.models.experts.build import expert_from
from dynmm.models.weights import save_weights
from dynmm.planning.costs import Means, cost_of, least_seconds
from dynmm.planning.disk import WEIGHTS, Disk, Sizes, download_bytes
from dynmm.planning.durations import Duration, MeasuredRuns
from dynmm.planning.jobs import Job, JobGraph
from dynmm.planning.page import ROWS, page
from dynmm.planning.raw_data import prepared_bytes
from dynmm.tasks import load_task
from nyu_files import write_raw

HOUR = 3600


def train(name, *needs, hours=10, **more):
    inputs = ("manifest.json", *(f"{other}.weights" for other in needs))
    return Job(
        "train_expert",
        inputs,
        (f"{name}.weights",),
        threads=4,
        gpus=1,
        limit=hours * HOUR,
        **more,
    )


def report(name, *needs, verb="plot"):
    inputs = tuple(f"{other}.weights" for other in needs)
    return Job(f"{verb}_x", inputs, (f"reports/{name}.pdf", f"reports/{name}.png"), limit=HOUR)


@pytest.fixture
def graph():
    """prepare -> a, b; a -> c; table1 of a and b, figure2 of c, and a target without outputs."""
    return JobGraph(
        [
            Job("prepare_x", ("raw",), ("manifest.json", "array.npy"), limit=HOUR),
            train("a"),
            train("b"),
            train("c", "a", hours=20),
            report("table1", "a", "b", verb="tabulate"),
            report("figure2", "c"),
            Job("count_x", ("manifest.json",), ("madds.json",), limit=HOUR),
            Job("all", ("reports/table1.pdf", "reports/figure2.pdf")),
        ]
    )


def limits(graph):
    return {job: Duration(job.limit, False) for job in graph.jobs}


def test_a_report_alone_costs_all_that_it_needs_and_the_total_counts_a_shared_job_once(graph):
    costs = {name: cost_of(jobs, limits(graph)) for name, jobs in graph.reports().items()}
    assert list(costs) == ["figure2", "table1", ""]
    # prepare, a, c and the drawing; prepare, a, b and the table; prepare and the count
    assert [cost.jobs for cost in costs.values()] == [4, 4, 2]
    assert [cost.gpu_hours for cost in costs.values()] == [30, 20, 0]
    assert [cost.cpu_hours for cost in costs.values()] == [1 + 4 * 30 + 1, 1 + 4 * 20 + 1, 2]
    total = cost_of(graph.jobs, limits(graph))
    assert (total.jobs, total.gpu_hours, total.cpu_hours) == (7, 40, 4 * 40 + 4)


@pytest.mark.parametrize(
    "means, hours",
    [
        (Means(None, None), {"chain": 32}),
        (Means(4, 0), {"chain": 32, "cores": 164 / 4}),
        (Means(2, 1), {"chain": 32, "cores": (2 * 40 + 4) / 2, "gpus": 40}),
        (Means(64, 4), {"chain": 32, "cores": 164 / 64, "gpus": 10}),
    ],
)
def test_no_run_ends_before_its_cores_its_gpus_and_its_longest_chain_allow(graph, means, hours):
    bounds = least_seconds(graph, limits(graph), means)
    assert bounds == {name: pytest.approx(value * HOUR) for name, value in hours.items()}


def test_a_page_fits_a_screen_and_marks_the_hours_that_are_not_measured(graph):
    durations = limits(graph)
    measured = next(job for job in graph.jobs if job.rule == "prepare_x")
    durations[measured] = Duration(1800.0, True)
    text = page(graph, durations, Disk(unknown=3), Means(8, 2))
    assert "7 jobs to run for 2 tables and figures" in text
    assert re.search(r"^prepare_x +1 +- +0\.50 ", text, re.M)
    assert re.search(r"^train_expert +3 +40\.0\* +160\*", text, re.M)
    assert re.search(r"table1 +4 +20\.0\* +81\.5\*", text)
    assert "6 of 7 jobs" in text and "3 files not counted" in text


def test_a_page_of_many_rules_and_reports_says_how_many_it_leaves_out(graph):
    names = [f"table{number}" for number in range(100)]
    jobs = [report(name, "a", verb=f"verb{name}") for name in names]
    many = JobGraph([*graph.jobs, *jobs])
    lines = page(many, limits(many), Disk(), Means()).splitlines()
    assert len(lines) < 40 and max(map(len, lines)) <= 100
    # 102 reports with the files of none; 105 rules
    assert [line.split() for line in lines if "more" in line] == [
        f"and {105 - ROWS} more and {102 - ROWS} more".split()
    ]


def test_nothing_to_do_is_said_so():
    assert page(JobGraph([]), {}, Disk(), Means(1, 1)).startswith("Nothing to be done")


# seconds


def trained(name="rgb", seed=0, epochs=10, **training):
    folder = f"results/p/nyuv2/models/{name}/seed{seed}"
    return Job(
        "train_segmentation",
        outputs=(f"{folder}/weights.safetensors", f"{folder}/history.csv"),
        limit=7.0,
        benchmark=f"results/p/nyuv2/benchmarks/train_segmentation/{name}.seed{seed}.tsv",
        logs=(f"logs/p/nyuv2/train_segmentation/{name}.seed{seed}.log",),
        config={"training": {"epochs": epochs, **training}},
        resume_dir=f"results/p/nyuv2/resume/{name}/seed{seed}",
    )


def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def write_history(name, seed, *seconds):
    rows = "".join(f"{epoch},{value}\n" for epoch, value in enumerate(seconds, 1))
    write(f"results/p/nyuv2/models/{name}/seed{seed}/history.csv", f"epoch,seconds\n{rows}")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_run_the_time_limit_counts(here):
    assert MeasuredRuns().duration(trained()) == Duration(7.0, False)
    assert MeasuredRuns().duration(Job("plot_x", outputs=("x",), limit=5.0)) == Duration(5.0, False)


def test_a_training_takes_the_measured_seconds_of_its_own_network_an_epoch(here):
    write_history("rgb", 1, 2.0, 4.0)
    write_history("esanet", 1, 50.0)
    runs = MeasuredRuns()
    assert runs.duration(trained("rgb", 0)) == Duration(30.0, True)
    assert runs.duration(trained("rgb", 0, epochs=3)) == Duration(9.0, True)
    # of a network that has not run, the mean over those that have
    assert runs.duration(trained("other", 0)).seconds == pytest.approx(10 * 56 / 3)


def test_a_training_that_may_end_early_takes_as_many_epochs_as_those_before_it(here):
    write_history("rgb", 1, 2.0, 2.0, 2.0)
    write_history("rgb", 2, 2.0)
    assert MeasuredRuns().duration(trained(patience=7)) == Duration(4.0, True)
    assert MeasuredRuns().duration(trained(patience=7, epochs=1)) == Duration(2.0, True)
    assert MeasuredRuns().duration(trained(patience=None)) == Duration(20.0, True)


def test_other_jobs_take_what_the_benchmarks_of_their_rule_say(here):
    def job(name):
        folder = "results/p/nyuv2/benchmarks/evaluate_noise"
        return Job("evaluate_noise", outputs=("x",), limit=99.0, benchmark=f"{folder}/{name}.tsv")

    header = "s\th:m:s\tmax_rss\tcpu_time\n"
    write(job("a.seed0").benchmark, f"{header}10.0\t0:00:10\t1\t9\n")
    write(job("b.seed0").benchmark, f"{header}30.0\t0:00:30\t1\t9\n")
    write(job("c.seed0").benchmark, f"{header}NA\tNA\tNA\tNA\n")
    write("results/p/nyuv2/benchmarks/prepare_nyuv2.tsv", f"{header}500.0\t0:08:20\t1\t9\n")
    runs = MeasuredRuns()
    assert runs.duration(job("a.seed1")) == Duration(10.0, True)
    assert runs.duration(job("new.seed1")) == Duration(20.0, True)
    prepare = "results/p/nyuv2/benchmarks/prepare_nyuv2.tsv"
    assert runs.duration(Job("prepare_nyuv2", benchmark=prepare)) == Duration(500.0, True)


def test_an_unfinished_training_takes_its_epochs_to_go_at_the_speed_of_its_log(here):
    job = trained("toy", epochs=40)
    log = logging.getLogger("dynmm.training")
    Path(job.logs[0]).parent.mkdir(parents=True)
    handler, level = logging.FileHandler(job.logs[0]), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        toy_training.train(Path(job.resume_dir), 3, pause=0.05)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        handler.close()
    [run] = Path(job.resume_dir).iterdir()
    assert list(run.glob("state-*.json"))

    def seconds_where(**record):
        (run / "provenance.json").write_text(json.dumps(record))
        found = MeasuredRuns().duration(job)
        assert found.measured
        return found.seconds

    to_go = seconds_where(config=job.config)
    assert to_go >= 37 * 4 * 0.05  # an epoch has four steps with that pause
    # of another configuration there is nothing to go on with
    assert seconds_where(config={"training": {"epochs": 41}}) == pytest.approx(to_go * 40 / 37)
    (run / "provenance.json").unlink()
    assert MeasuredRuns().duration(job).seconds == pytest.approx(to_go * 40 / 37)
    # a finished one is published again
    (run / "finished.json").touch()
    assert seconds_where(config=job.config) == 0


# disk


PUBLISHED = {
    "nyuv2": {"train": 2, "test": 1, "height": 10, "width": 20},
    "mmimdb": {"train": 3, "features": {"text": 300, "image": 4096}, "outputs": 23},
    "mosei": {"train": 2, "steps": 5, "features": {"audio": 7, "text": 3}, "outputs": 1},
}


def expert(name="text", seed=0, options=None):
    settings = {
        "model": name,
        "options": options or {"hidden": 64, "features": 16, "head_hidden": 16},
    }
    folder = f"results/p/mmimdb/experts/{name}/seed{seed}"
    outputs = (f"{folder}/weights.safetensors", f"{folder}/training.json")
    return Job("train_expert", outputs=outputs, config={"expert": settings, "training": {}})


def test_weights_are_as_large_as_their_network_and_other_files_as_those_that_are_there(here):
    load_task("mmimdb")
    network = expert_from("mmimdb", expert().config["expert"], {"text": 300, "image": 4096}, 23)
    save_weights(network, "whole.safetensors")
    whole = Path("whole.safetensors").stat().st_size
    disk = Sizes(PUBLISHED).disk([expert(), expert(seed=1)])
    assert disk.made[WEIGHTS] == pytest.approx(2 * whole, rel=0.05)
    assert disk.unknown == 2 and not disk.replaced
    assert 5 < disk.unfinished / whole < 12
    # of another seed, as measured; of another expert, the small file alone
    write(expert(seed=1).outputs[0], "x" * 1000)
    write(expert(seed=1).outputs[1], "x" * 10)
    disk = Sizes(PUBLISHED).disk([expert(), expert(seed=1), expert("image")])
    assert disk.made[WEIGHTS] > 2000 + 4 * 64 * 4096
    assert disk.made["other files"] == 30 and not disk.unknown
    assert disk.replaced == 1010


def test_prepared_arrays_follow_from_the_raw_file_or_from_what_is_published(here):
    raw = write_raw(here / "raw")
    prepare(raw, here / "prepared", {"depth": "refined"})
    arrays = sum(path.stat().st_size - 128 for path in Path("prepared").glob("*.npy"))
    assert prepared_bytes("nyuv2", "raw", set(), PUBLISHED["nyuv2"]) == arrays
    name = "nyu_depth_v2_labeled.mat"
    fetched = {f"data/{name}"}
    assert prepared_bytes("nyuv2", "data", fetched, PUBLISHED["nyuv2"]) == 8 * 3 * 200
    assert prepared_bytes("nyuv2", "data", set(), PUBLISHED["nyuv2"]) is None
    write(f"data/{name}", "no HDF5")
    assert prepared_bytes("nyuv2", "data", set(), PUBLISHED["nyuv2"]) is None
    films = {"data/multimodal_imdb.hdf5"}
    assert prepared_bytes("mmimdb", "data", films, PUBLISHED["mmimdb"]) == 4 * 3 * 4419
    sequences = {"data/mosei_senti_data.pkl"}
    assert prepared_bytes("mosei", "data", sequences, PUBLISHED["mosei"]) == 4 * 2 * (5 * 10 + 1)


def test_the_size_of_a_download_is_published_about_known_or_unknown():
    def job(**entry):
        return Job("download_raw_x", outputs=("x",), config={"files": {"x": entry}})

    assert download_bytes(job(bytes=5)) == (5, 5)
    assert download_bytes(job(bytes=None, about_gb=2)) == (2e9, 2e9)
    assert download_bytes(job(bytes=None, about_gb=[1, 3])) == (1e9, 3e9)
    assert download_bytes(job(bytes=None)) is None
    assert download_bytes(Job("download_raw_x", outputs=("x",))) is None
