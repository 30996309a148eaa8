"""What a schema cannot say of the configuration of MM-IMDB and CMU-MOSEI."""

from dynmm.configuration.grid import grid_points, spelled, temperatures
from dynmm.configuration.modality import augments
from dynmm.errors import InputError
from dynmm.vocabulary import CROSS_FITTED


def check_modality(section, key):
    """Refuse experts under the gate that are not configured, and values of the grid given twice.

    Corrupted samples and cross-fitted experts do not go together: what these say is stored.

    Args:
        section: the task's section of a configuration that fits the schema.
        key: the section's name.

    Raises:
        InputError: names the key's path, what was found and what is allowed.
    """
    for place, expert in enumerate(section["dynamic"]["experts"]):
        if expert not in section["experts"]:
            expected = f"one of {', '.join(section['experts'])}"
            raise refused(f"{key}.dynamic.experts.{place}", expert, expected)
    dynamic = section["dynamic"]
    to_beat = dynamic["to_beat"]
    if dynamic["select_by"] == "objective" and to_beat is not None and to_beat <= 0:
        expected = "above 0, or null: a lower objective is better, and none is below 0"
        raise refused(f"{key}.dynamic.to_beat", to_beat, expected)
    for word, values in section["grid"].items():
        _check_different(values, f"{key}.grid.{word}")
    for point in grid_points(section):
        try:
            temperatures(point["tau"])
        except ValueError:
            raise refused(f"{key}: tau", point["tau"], "above 0, as 1 or 1..0.001") from None
        if point["freeze"] == CROSS_FITTED and augments(dynamic):
            raise refused(
                f"{key}.dynamic.augmentation",
                "noise or missing modalities",
                f"none with freeze {CROSS_FITTED}, whose gates learn from stored outputs",
            )


def refused(key, found, expected, fix=None):
    """The InputError of a bad configuration."""
    return InputError("bad configuration", key=key, found=found, expected=expected, fix=fix)


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
