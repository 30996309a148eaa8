"""Draw the sentences of one review or video, coloured by the path that each took (Figure 5)."""

from pathlib import Path

from dynmm import program
from dynmm.errors import InputError
from dynmm.reporting import headings
from dynmm.reporting.gaps import Gaps
from dynmm.reporting.grid_points import (
    choose_point,
    default_point,
    fitting_points,
    split_records,
)
from dynmm.reporting.paper import read_paper
from dynmm.reporting.records import read_records
from dynmm.reporting.sentence_figure import sentences_figure
from dynmm.reporting.sentences import choose_review, read_sentences
from dynmm.reporting.style import save_figure

TASK = "mosei"
NO_WORDS = "The raw data holds no words: the sentences are shown by their ids."


def main(arguments):
    """Draw the review of the grid point that a row of Table 2 shows.

    The config slice: `row` (of Table 2), `points` (row -> grid point, as for the table), `seed`,
    and optionally `review` (its name) and `sentences` (how many of it are shown at most). Where
    results lack, the row takes a point that has this seed, and the figure says where none is there.
    """
    config, gaps = arguments.config, Gaps.of(arguments.config)
    experts, points = split_records(read_records(arguments.metrics), TASK)
    row = config["row"]
    named = config.get("points", {})
    wanted = named.get(row) or default_point(read_paper(arguments.paper), TASK, row)
    if gaps.remark:
        points = [point for point in points if _has_seed(point, config["seed"])]
    if gaps.remark and not fitting_points(points, wanted):
        missing = f"No result for row {row} of Table 2 with seed {config['seed']}."
        fig = sentences_figure([], [], "Figure 5 lacks its model", [missing, *gaps.remarks])
    else:
        fig = _review_figure(arguments, choose_point(points, wanted, row), experts, gaps.remarks)
    save_figure(fig, arguments.out, arguments.png or arguments.out.with_suffix(".png"))


def _review_figure(arguments, point, experts, notes):
    config = arguments.config
    record = _of_seed(point, config["seed"])
    predictions = _beside(record, arguments.predictions)
    sentences, has_words = read_sentences(predictions, arguments.manifest)
    review = choose_review(sentences, config.get("review"))
    shown = review[: config.get("sentences", len(review))]
    return sentences_figure(
        shown,
        [_title(place, name, experts) for place, name in enumerate(point.experts)],
        review[0].review,
        [*notes, *_notes(record, point, shown, review, has_words)],
    )


def _has_seed(point, seed):
    return seed in [record["seed"] for record in point.records]


def _of_seed(point, seed):
    found = [record for record in point.records if record["seed"] == seed]
    if not found:
        seeds = ", ".join(str(record["seed"]) for record in point.records)
        raise InputError("no run with this seed", key="seed", found=seed, expected=seeds)
    return found[0]


def _beside(record, predictions):
    """The predictions that lie in the folder of a metrics file."""
    folder = record["file"].parent
    found = [path for path in predictions if path.parent == folder]
    if not found:
        raise InputError("no predictions of the chosen grid point", file=folder)
    return found[0]


def _title(place, name, experts):
    modality = next((record.get("modality") for record in experts.get(name, ())), None)
    return f"{headings.expert_title(name)} (E{place + 1})" + (f": {modality}" if modality else "")


def _notes(record, point, shown, review, has_words):
    count = f"{len(shown)} of {len(review)}" if len(shown) < len(review) else str(len(review))
    paths = len({sentence.expert for sentence in review})
    return [
        *([] if has_words else [NO_WORDS]),
        *(["All its sentences took one path."] if paths == 1 else []),
        f"{count} sentences of the test split; scores lie between \N{MINUS SIGN}3 and +3.",
        f"Model: {point}, seed {record['seed']}. Data: {record['content']}; "
        f"preset: {record['preset']}.",
    ]


if __name__ == "__main__":
    parser = program.parser(__doc__)
    parser.add_argument("--paper", type=Path, required=True, help="published numbers, YAML")
    parser.add_argument("--metrics", type=Path, nargs="+", required=True, help="metrics.json files")
    parser.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="predictions.npz beside them"
    )
    parser.add_argument("--manifest", type=Path, required=True, help="of the prepared data")
    parser.add_argument("--out", type=Path, required=True, help="PDF")
    parser.add_argument("--png", type=Path, help="PNG (default: beside the PDF)")
    program.run(main, parser.parse_args())
