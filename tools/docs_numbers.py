"""Write the numbers of the documents anew from what they are about.

In a document, `<!-- from: NAME -->...<!-- /from -->` marks what this program makes: a function of
that name below counts or reads it. `python -m tools.docs_numbers` writes the documents,
`tests/test_docs_numbers.py` says when one has drifted.
"""

import functools
import re
from pathlib import Path

import torch
import yaml
from tabulate import tabulate
from tools.paper_networks import (
    SIZES,
    build_expert,
    build_gate,
    count_expert,
    count_paths,
    count_with_gate,
)

from dynmm.models.experts.sequence_madds import REFERENCE_LENGTH, madds_at_length
from dynmm.vocabulary import MADDS_CONVENTIONS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"(<!-- from: (\w+) -->)(.*?)(<!-- /from -->)", re.DOTALL)
MEGA, GIGA = 1e6, 1e9
DECODERS = {"the runs": [512, 256, 128], "the published totals": [128, 128, 128]}
EXPERTS = {  # of which the published count has but a part
    ("mmimdb", "lrtf"): "MM-IMDB, LRTF",
    ("mmimdb", "mi_matrix"): "MM-IMDB, MI-Matrix",
    ("mosei", "early_fusion"): "MOSEI, early fusion",
}
NETWORKS = {
    "resnet50_BasicBlock": "NYU ResNet-50",
    "resnet34_NonBottleneck1D": "NYU ResNet-34-NBt1D",
}
CHECKS = {"bytes": "size", "md5": "MD5", "sha256": "SHA-256"}


def regenerated(text):
    """The text with every marked block made anew; a block with lines of its own keeps them.

    A mark inside a paragraph must not start a line: Markdown would take the line for HTML.

    Raises:
        KeyError: a block that no function makes.
    """

    def made(match):
        start, name, old, end = match.groups()
        new = MAKERS[name]()
        return f"{start}\n\n{new}\n\n{end}" if old.startswith("\n") else f"{start}{new}{end}"

    return BLOCK.sub(made, text)


def path_madds():
    """The table of the segmentation networks' paths, beside the authors' constants."""
    rows, totals = [], {}
    for use, decoder in DECODERS.items():
        counts = totals[use] = count_paths(decoder=decoder)
        rows += _by_convention(f"ResNet-50, decoder {decoder} ({use})", counts, "total")
    constants = _paper()["authors_constants"]["nyuv2_g"]["resnet50_BasicBlock"]
    name = "**Constants in the authors' code**"
    rows.append([name, "", *map(_giga, constants["whole"])])
    rows += _by_convention("Depth encoder of ResNet-50", totals["the runs"], "depth_encoder")
    rows.append([name, "", *map(_giga, constants["depth_encoder"])])
    return _table(["Network", "Convention", *range(5)], rows)


def decoder_difference():
    """How much more the decoder of the runs costs on every path, in G."""
    large, small = (
        count_paths(decoder=decoder)["complete"]["total"] for decoder in DECODERS.values()
    )
    (difference,) = {a - b for a, b in zip(large, small, strict=True)}
    return f"{difference / GIGA:.1f}"


def attention_madds():
    """The table of what the two conventions and torch's counter see of attention."""
    on_cpu = torch.device("cpu")  # where torch's counter does not see the fused kernel
    columns = {"text": build_expert("mosei", "text", on_cpu), "gate": build_gate("mosei", on_cpu)}
    counts = {name: madds_at_length(net, SIZES["mosei"][0]) for name, net in columns.items()}
    rows = {
        "per_module": {name: c["per_module"] for name, c in counts.items()},
        "torch's counter on a CPU": {
            name: c["complete"] - c["attention_products"] for name, c in counts.items()
        },
        "complete": {name: c["complete"] for name, c in counts.items()},
    }
    body = [[row, *(f"{v[name] / MEGA:.4g}" for name in columns)] for row, v in rows.items()]
    return _table([f"CMU-MOSEI, length {REFERENCE_LENGTH}, in M", *columns], body)


def network_madds():
    """The table of the two counts beside the authors' constants."""
    paper = _paper()
    constants = paper["authors_constants"]
    rows = []
    for name, key in (("MM-IMDB", "mmimdb"), ("MOSEI", "mosei")):
        counts = [count_with_gate(key, expert) for expert in ("text", "late_fusion")]
        printed = [constants[f"{key}_m"]["expert_and_gate"], *_conventions(counts)]
        decimals = 2 if key == "mmimdb" else 1
        label = f"{name}, text with gate / late fusion with gate (M)"
        rows.append([label, *(_pair(pair, 1, decimals) for pair in printed)])
    for (task, expert), title in EXPERTS.items():
        table = {"mmimdb": "table1", "mosei": "table2"}[task]
        (published,) = (r["madds_m"] for r in paper[table]["rows"] if r["key"] == expert)
        counts = count_expert(task, expert)
        numbers = [published, counts["per_module"] / MEGA, counts["complete"] / MEGA]
        rows.append([f"{title} (M)", *(f"{number:.1f}" for number in numbers)])
    for key, title in NETWORKS.items():
        encoder, block = key.split("_")
        counts = count_paths(encoder=encoder, block=block)
        ends = [{way: counts[way]["total"][end] for way in counts} for end in (0, -1)]
        whole = constants["nyuv2_g"][key]["whole"]
        cells = [_pair((whole[0], whole[-1]), 1, 1)]
        cells += [_pair(pair, GIGA, 1) for pair in _conventions(ends, scale=1)]
        rows.append([f"{title}, 0 / 4 fused cells (G)", *cells])
    head = ["Network", "The authors' constant, or the paper's table", "`per_module`", "`complete`"]
    return _table(head, rows)


def expert_cost_share():
    """What E1 of MM-IMDB costs, as a part of E2."""
    return f"{_cost_share():.3f}"


def expert_pressure():
    """The factor by which equation 1 presses less than the authors' term there."""
    return f"{1 - _cost_share():.2f}"


def download_size():
    """GB to download of all raw files, the least and the most."""
    files = [file for entry in _datasets().values() for file in entry["files"].values()]
    least, most = (sum(_gigabytes(file)[end] for file in files) for end in (0, 1))
    return f"{least:.0f} to {most:.0f} GB"


def movies_read():
    """GB that are read of the file of MM-IMDB, and how many it has."""
    (file,) = _datasets()["mmimdb"]["files"].values()
    return "{} of {} GB".format(*_gigabytes(file))


def raw_files():
    """The table of the raw files, their sizes, and what is known to check them by."""
    rows = []
    for entry in _datasets().values():
        for name, file in entry["files"].items():
            least, most = (f"{size:.1f}" for size in _gigabytes(file))
            size = least if least == most else f"{least} to {most}"
            checks = ", ".join(word for key, word in CHECKS.items() if file[key] is not None)
            rows.append([f"`{name}`", "below 0.1" if size == "0.0" else size, checks or "none"])
    return _table(["Raw file", "GB", "Published, and compared"], rows)


def differences():
    """The table of values where the paper's preset is not the authors'."""
    entries = _load("resources/recipes.yaml")["differences"]
    rows = [[f"`{e['path']}`", _flow(e["authors"]), _flow(e["ours"]), e["reason"]] for e in entries]
    return _table(["Key", "Authors", "Paper's preset", "Why"], rows)


MAKERS = {
    maker.__name__: maker
    for maker in (
        *(path_madds, decoder_difference, attention_madds, network_madds, expert_cost_share),
        *(expert_pressure, download_size, movies_read, raw_files, differences),
    )
}


@functools.cache
def _load(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def _paper():
    return _load("resources/paper.yaml")


def _datasets():
    return _load("config/datasets.yaml")


def _cost_share():
    text, late = (count_expert("mmimdb", expert)["complete"] for expert in ("text", "late_fusion"))
    return text / late


def _conventions(counts, scale=MEGA):
    """The counts by the authors' way, then the complete ones."""
    return [[c[way] / scale for c in counts] for way in ("per_module", "complete")]


def _by_convention(name, counts, part):
    names = (name, "")
    ways = zip(names, MADDS_CONVENTIONS, strict=True)
    return [[n, way, *(_giga(c / GIGA) for c in counts[way][part])] for n, way in ways]


def _gigabytes(file):
    """(least, most) GB of a raw file."""
    if file["bytes"] is not None:
        return (file["bytes"] / GIGA,) * 2
    size = file.get("about_gb", 0)
    return tuple(size) if isinstance(size, list) else (size, size)


def _flow(value):
    """A value as YAML has it in one line."""
    return str(value).replace("'", "")


def _giga(value):
    return f"{value:.2f}"


def _pair(values, unit, decimals):
    return " / ".join(f"{value / unit:.{decimals}f}" for value in values)


def _table(head, rows):
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    lines = tabulate(cells, map(str, head), "pipe", disable_numparse=True).splitlines()
    return "\n".join(re.sub(r" {2,}", " ", re.sub(r":?-{3,}:?", "---", line)) for line in lines)


def main():
    """Write every document whose numbers have changed."""
    for name in DOCUMENTS:
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        new = regenerated(old)
        if new != old:
            path.write_text(new, encoding="utf-8")
            print(f"{name}: written anew")


if __name__ == "__main__":
    main()
