"""What a schema cannot say of the configuration of MM-IMDB and CMU-MOSEI."""

from dynmm.configuration.grid import LARGEST_LAMBDA, all_points, spelled, temperatures, words
from dynmm.configuration.modality import has_constant_experts, reads_stored_train
from dynmm.configuration.refusal import refused
from dynmm.configuration.table_rows import check_rows
from dynmm.vocabulary import CROSS_FITTED, DYNAMIC, MMIMDB

LEAST_LOSS = 1e-6  # below which no epoch comes
REGRET = "regret"  # a mode that learns from the losses of experts that stay as they are


def check_modality(section, key):
    """Refuse experts under the gate that are not configured, and values of the grid given twice.

    Corrupted samples and cross-fitted experts do not go together: what these say is stored.

    Args:
        section: the task's section of a configuration that fits the schema.
        key: the section's name.

    Raises:
        InputError: names the key's path, what was found and what is allowed.
    """
    if DYNAMIC in section["experts"]:
        raise refused(f"{key}.experts.{DYNAMIC}", DYNAMIC, "another name: dynamic models have this")
    for place, expert in enumerate(section["dynamic"]["experts"]):
        if expert not in section["experts"]:
            expected = f"one of {', '.join(section['experts'])}"
            raise refused(f"{key}.dynamic.experts.{place}", expert, expected)
    _check_to_beat(section, key)
    rows = section.get("prepare", {}).get("splits", {}).get("train")
    if rows is not None and section["dynamic"]["folds"] > rows:
        expected = f"at most {rows}, the rows of the training split"
        raise refused(f"{key}.dynamic.folds", section["dynamic"]["folds"], expected)
    for word, values in section["grid"].items():
        _check_different(values, f"{key}.grid.{word}")
    for point in all_points(section):
        try:
            temperatures(point["tau"])
        except ValueError:
            expected = "from 1e-6 to 1e6, as 1 or 1..0.001"
            raise refused(f"{key}: tau", point["tau"], expected) from None
        if float(point["lambda"]) > LARGEST_LAMBDA:
            raise refused(f"{key}: lambda", point["lambda"], f"at most {LARGEST_LAMBDA:g}")
        if point["mode"] == REGRET and not has_constant_experts(point):
            expected = "true or cross_fitted with mode regret, which trains no expert"
            raise refused(f"{key}: freeze of {words(point)}", point["freeze"], expected)
        if point["freeze"] == CROSS_FITTED and not reads_stored_train(section, point):
            raise refused(
                f"{key}: augmentation of {words(point)}",
                "noise or missing modalities",
                f"none with freeze {CROSS_FITTED}, whose gates learn from stored outputs",
                "A gate of `gates` can have a `dynamic: {augmentation: ...}` of its own.",
            )
    check_rows(section, key)


def _check_to_beat(section, key):
    """A score that no epoch can have would let all of them run before the training fails."""
    blocks = {f"{key}.training": section["training"], f"{key}.dynamic": section["dynamic"]}
    for name, expert in section["experts"].items():
        blocks[f"{key}.experts.{name}.training"] = {
            **section["training"],
            **expert.get("training", {}),
        }
    for name, gate in section["gates"].items():
        own = gate.get("dynamic", {})
        blocks[f"{key}.gates.{name}.dynamic"] = {**section["dynamic"], **own}
    for path, block in blocks.items():
        to_beat = block["to_beat"]
        if to_beat is None:
            continue
        if key == MMIMDB and block.get("select_by") != "objective":
            wrong, expected = to_beat >= 1, "below 1, or null: the score is an F1"
        else:
            wrong = to_beat < LEAST_LOSS
            expected = f"at least {LEAST_LOSS:g}, or null: a lower loss is better"
        if wrong:
            raise refused(f"{path}.to_beat", to_beat, expected)


def _check_different(values, key):
    seen = {}
    for value in values:
        text = spelled(value)
        same = _number(text)
        if same in seen:
            expected = "values that differ as numbers: each names a folder of its own"
            raise refused(key, f"{seen[same]} and {text}", expected)
        seen[same] = text


def _number(text):
    try:
        return float(text)
    except ValueError:
        return text
