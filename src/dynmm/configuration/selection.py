"""What figures are told to show of the data, by names that only the data know."""

from dynmm.vocabulary import MOSEI, NYUV2

SELECTING = (NYUV2, MOSEI)  # tasks with such a figure


def selection(config, task):
    """The official numbers of `frames`, or the name of a `review`; nothing where none is named."""
    if task == NYUV2:
        frames = config["nyuv2"]["predicted_frames"]["frames"]
        return {"frames": frames} if isinstance(frames, list) else {}
    review = config["mosei"]["figure5"].get("review")
    return {} if review is None else {"review": review}
