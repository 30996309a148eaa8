"""Static networks at a part of their width: options, messages, names, curves."""

import inspect

import pytest
import torch

from dynmm.configuration import modality
from dynmm.errors import InputError
from dynmm.models.experts import registry
from dynmm.models.experts.build import expert_from
from dynmm.models.experts.width import scaled_options
from dynmm.reporting import style
from dynmm.reporting.headings import expert_title
from dynmm.reporting.modality_tables import build_modality_table
from dynmm.reporting.paper import read_paper
from dynmm.reporting.records import read_records
from dynmm.reporting.rendering import markdown, tex
from dynmm.reporting.routing import read_routing
from dynmm.reporting.routing_figure import routing_figure
from dynmm.reporting.tradeoff import tradeoff_figure
from dynmm.tasks import load_gating, load_task
from modality_metrics import f1, mmimdb_metrics, write_expert
from routing_study import expert_entry, modality_study, write_study
from test_configuration import CONFIG, changed, refusal
from test_feature_noise import SIZES
from workflow_tree import ROOT

TASKS = ("mmimdb", "mosei")
FAMILY = "late fusion by width"


@pytest.fixture(autouse=True)
def closed():
    yield
    style.plt.close("all")


def classes(task):
    load_task(task)
    return {n: c for (owner, n), c in registry._EXPERTS.items() if owner == task}


@pytest.mark.parametrize("task", TASKS)
def test_every_declared_width_is_an_option_and_scales_the_network(task):
    published = {n: c for n, c in classes(task).items() if c.__module__.startswith("dynmm.models")}
    assert set(published) >= {"text", "early_fusion", "late_fusion"}
    for name, cls in published.items():
        options = list(inspect.signature(cls).parameters)[2:]
        assert set(cls.width_options) <= set(options), name
        sizes = SIZES[task]
        small = {"rank": 3} if name == "lrtf" else {"features": 16} if name == "mi_matrix" else {}
        small |= {"feedforward": 40} if "feedforward" in options else {}
        counts = []
        for width in (1, 0.5):
            settings = {"model": name, "options": small, "width": width}
            network = expert_from(task, settings, sizes, 2)
            counts.append(load_gating(task).count_madds(network, sizes)["complete"])
        assert counts[1] < 0.75 * counts[0], name


def test_widths_are_rounded_and_stay_multiples_of_what_shares_them():
    cls = classes("mmimdb")["late_fusion"]
    found = scaled_options(cls, {"text_hidden": 3, "dropout": 0.5}, 0.5, "x")
    assert found == {"text_hidden": 2, "image_hidden": 512, "features": 256, "dropout": 0.5}
    assert scaled_options(cls, {"text_hidden": 3}, 0.001, "x")["text_hidden"] == 1
    cls = classes("mosei")["late_fusion"]
    found = scaled_options(cls, {"widths": [20, 40, 8], "heads": 4, "hidden": 10}, 0.25, "x")
    assert found == {"widths": [4, 12, 4], "heads": 4, "hidden": 3, "feedforward": 512}
    assert scaled_options(cls, {}, 2, "x")["widths"] == [120, 240, 240]


def test_a_factor_of_one_leaves_everything_as_it_is():
    options = {"hidden": 7}
    assert scaled_options(classes("mmimdb")["text"], options, 1, "x") is options


def test_a_class_without_widths_is_refused_with_one_message():
    class Linear(torch.nn.Linear):
        modalities = ("text",)

    with pytest.raises(InputError, match=r"without widths.*mmimdb.linear: width.*width_options"):
        scaled_options(Linear, {}, 0.5, "mmimdb.linear")
    assert scaled_options(Linear, {}, 1, "mmimdb.linear") == {}


@pytest.mark.parametrize("width", [0, -1, "half"])
def test_a_bad_factor_is_refused(width):
    config = changed(("mmimdb", "experts", "late_fusion_half", "width"), width)
    assert refusal(config).key == "mmimdb.experts.late_fusion_half.width"


def evaluated(config, expert, task="mmimdb"):
    return modality.expert_evaluation(config, task, expert)


def test_experts_that_differ_in_width_alone_are_one_curve():
    for expert in ("late_fusion", "late_fusion_half", "late_fusion_quarter"):
        assert evaluated(CONFIG, expert)["family"] == FAMILY
    assert "family" not in evaluated(CONFIG, "text")
    other = changed(("mmimdb", "experts", "late_fusion_half", "options"), {"features": 3})
    assert "family" not in evaluated(other, "late_fusion_half")
    assert evaluated(other, "late_fusion")["family"] == FAMILY


def test_a_width_more_concerns_no_expert_of_another_network():
    config = changed(("mmimdb", "experts", "narrow"), {"model": "text", "width": 0.5})
    for expert in ("image", "late_fusion", "text"):
        assert evaluated(config, expert) == evaluated(CONFIG, expert)


@pytest.mark.parametrize("task", TASKS)
def test_the_sample_s_curve_covers_the_costs_between_the_experts(task):
    sizes = {"mmimdb": {"text": 300, "image": 4096}, "mosei": {"vision": 35, "audio": 74}}[task]
    sizes = {**sizes, "text": 300}
    load_task(task)
    experts, gating = CONFIG[task]["experts"], load_gating(task)
    costs = {
        name: gating.count_madds(expert_from(task, entry, sizes, 23), sizes)["complete"]
        for name, entry in experts.items()
    }
    curve = sorted(cost for name, cost in costs.items() if name.startswith("late_fusion_"))
    assert len(curve) == 2
    first, last = (costs[name] for name in CONFIG[task]["dynamic"]["experts"])
    assert first < curve[0] < first + 0.25 * (last - first) and curve[1] < 0.75 * last


def test_a_narrower_network_goes_by_its_model_and_factor():
    assert expert_title("late_fusion", "late_fusion", 1) == "Late fusion"
    assert expert_title("half", "late_fusion", 0.5) == "Late fusion, width × 0.5"
    assert expert_title("x", "my_net", 2) == "my_net, width × 2"


def metrics(folder):
    paths = mmimdb_metrics(folder)
    more = {"model": "late_fusion", "family": FAMILY}
    for path in list(paths):
        if "late_fusion" in str(path):
            path.unlink()
            paths.remove(path)
            path.parent.rmdir()
    for seed in (0, 1):
        for name, width, score, madds in (
            ("late_fusion", 1, 0.50, 10e6),
            ("half", 0.5, 0.48, 5e6),
            ("quarter", 0.25, 0.46, 2e6),
        ):
            scores = f1(score + 0.02 * seed)
            paths.append(
                write_expert(folder, "mmimdb", name, seed, scores, madds, width=width, **more)
            )
    return paths


def test_figure_4a_joins_the_widths_by_a_line(tmp_path):
    (axes,) = tradeoff_figure(read_records(metrics(tmp_path)), scores=["macro_f1"]).axes
    found = {container.get_label(): container[0] for container in axes.containers}
    line = found[FAMILY]
    assert list(line.get_xdata()) == pytest.approx([2, 5, 10])
    assert list(line.get_ydata()) == pytest.approx([47, 49, 51])
    assert line.get_linestyle() != "None"
    assert line.get_markevery() == [0, 1], "E2 has a mark of its own"
    assert "Late fusion (E2)" in found and "Late fusion, width × 0.5" not in found


def test_table_1_names_the_widths(tmp_path):
    paper = read_paper(ROOT / "resources" / "paper.yaml")
    table = build_modality_table("table1", paper, read_records(metrics(tmp_path)), {})
    methods = list(table.frame["method"])
    assert {"Late fusion, width × 0.5", "Late fusion, width × 0.25"} <= set(methods)
    assert "Late fusion, width × 0.5" in markdown(table)
    assert r"Late fusion, width $\times$ 0.5" in tex(table)


def test_the_routing_figure_joins_the_widths_with_the_expert_under_the_gate(tmp_path):
    study = modality_study()
    study["static"] = [
        expert_entry("late_fusion", 0.8, 10e6, family=FAMILY) | {"width": 1},
        expert_entry("half", 0.78, 6e6, family=FAMILY) | {"width": 0.5, "model": "late_fusion"},
        expert_entry("lrtf", 0.82, 14e6),
    ]
    study = read_routing(write_study(tmp_path, study), "macro_f1")
    lines = {line.get_label(): line for line in routing_figure(study).axes[0].lines}
    assert list(lines[FAMILY].get_xdata()) == pytest.approx([6, 10])
    assert lines[FAMILY].get_markevery() == [0]
    assert "LRTF" in lines and "Late fusion, width × 0.5" not in lines


def test_a_curve_all_of_whose_networks_are_under_the_gate_is_drawn(tmp_path):
    paths = [path for path in metrics(tmp_path) if "half" not in str(path)]
    records = read_records(paths)
    for record in records:
        if "expert_shares" in record:
            record["expert_shares"] = {
                "quarter": record["expert_shares"]["text"],
                "late_fusion": record["expert_shares"]["late_fusion"],
            }
    fig = tradeoff_figure(records, scores=["macro_f1"])
    fig.canvas.draw()
    labels = [container.get_label() for container in fig.axes[0].containers]
    assert FAMILY in labels and "Late fusion, width × 0.25 (E1)" in labels
