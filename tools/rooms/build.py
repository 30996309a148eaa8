"""Command line: render furnished rooms into the raw files of NYU Depth V2's labelled set."""

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np

from . import camera, catalogue, contact_sheet, depth_camera, furnish, raw_files, render

HEIGHT, WIDTH = 96, 128
VIEWS = 2  # frames of one room
LIGHTS = (("dark", 0.125), ("uniform", 0.125))  # the other frames are in normal light
SUNNY = 0.15  # share of the normally lit frames that lose much of their depth
LICENCES = {
    "BlendSwap-CC-0": "CC0 1.0",
    "BlendSwap-CC-BY": "CC BY 3.0",
    "KatorLegaz": "CC BY 3.0 US",
    "Reallusion": "CC BY 3.0 US",
    "Scopia": "CC BY 3.0",
}


def plan(rooms, seed):
    """Kind of each room and light of each of its frames, in the same shares for every part.

    Returns a list of (kind, [light, ...]).
    """
    rng = np.random.default_rng([seed, rooms])
    frames = rooms * VIEWS
    lights = [name for name, share in LIGHTS for _ in range(round(share * frames))]
    lights += ["normal"] * (frames - len(lights))
    sunny = lights.count("normal") - round(SUNNY * lights.count("normal"))
    seen = 0
    for i, light in enumerate(lights):
        seen += light == "normal"
        if light == "normal" and seen > sunny:
            lights[i] = "sunny"
    rng.shuffle(lights)
    ends = np.cumsum(list(furnish.SHARES.values()))
    kinds = [list(furnish.SHARES)[np.searchsorted(ends, (i + 0.5) / rooms)] for i in range(rooms)]
    rng.shuffle(kinds)
    return [(kind, lights[VIEWS * i : VIEWS * (i + 1)]) for i, kind in enumerate(kinds)]


def label_frame(scene, view, rng):
    """Fine labels (H, W) uint16; 0 at some borders between objects, as human labels have."""
    labels = np.array([raw_files.FINE_ID[label] for label in scene.labels], "u2")[view.object]
    padded = np.pad(view.object, 1, mode="edge")
    border = np.zeros(labels.shape, bool)
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        neighbour = padded[rows : rows + HEIGHT, columns : columns + WIDTH]
        border |= neighbour != view.object
    touched = rng.random(len(scene.surfaces)) < 0.35
    labels[border & touched[view.object]] = 0
    return labels


def build(models, rooms, seed):
    """Frames of `rooms` rooms, as (arrays by key of the raw file, rows of frames.csv, models used).

    Every room has a random stream of its own: none depends on what stands in another.
    """
    arrays = {key: [] for key in ("images", "labels", "depths", "rawDepths")}
    rows, used = [], {}
    for part, count, stream in (("train", rooms[0], seed), ("test", rooms[1], seed + 1)):
        for number, (kind, lights) in enumerate(plan(count, stream)):
            rng = np.random.default_rng([stream, count, number])
            room = furnish.furnish(kind, models, rng)
            scene = render.Scene(room, rng)
            used.update({id(thing.model): thing.model for thing in room.things if thing.model})
            for light in lights:
                chosen = camera.choose(room, scene, rng)
                view = render.render(room, scene, chosen, light, HEIGHT, WIDTH, rng)
                raw = depth_camera.raw_depth(scene, chosen, view, light == "sunny", rng)
                frame = (view.rgb, label_frame(scene, view, rng), depth_camera.fill(raw), raw)
                for key, value in zip(arrays, frame, strict=True):
                    arrays[key].append(value)
                rows.append((len(rows) + 1, f"{part} {number + 1}", kind, light, part))
            print(f"\r{len(rows)} frames", end="", flush=True)
    print()
    return {key: np.stack(values) for key, values in arrays.items()}, rows, list(used.values())


def write(out, arrays, rows, used):
    """The raw files, frames.csv (one row a frame) and models.csv (whom to credit) in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    raw_files.write_frames(out / "nyu_depth_v2_labeled.mat", arrays, raw_files.fine_names())
    raw_files.write_splits(out / "splits.mat", np.array([row[-1] == "test" for row in rows]))
    raw_files.write_mapping(out / "classMapping40.mat")
    credits_ = sorted({(m.library, LICENCES[m.library], m.creator, m.name, m.label) for m in used})
    for name, header, table in (
        ("frames.csv", ("frame", "room", "kind", "light", "part"), rows),
        ("models.csv", ("library", "licence", "creator", "model", "class"), credits_),
    ):
        with open(out / name, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *table])


def report(arrays, rows, out):
    """Print the share of each class, of holes, and the size on disk."""
    coarse = np.array([0] + [raw_files.coarse_of(name) for name in raw_files.fine_names()])
    labels = coarse[arrays["labels"]]
    for part in ("train", "test"):
        chosen = labels[[row[-1] == part for row in rows]]
        share = np.bincount(chosen.ravel(), minlength=41) / chosen.size
        seen = [(chosen == k).any((1, 2)).sum() for k in range(41)]
        print(f"{part}, {len(chosen)} frames (class: share of pixels, frames):")
        names = ("void", *raw_files.COARSE)
        print("  " + ", ".join(
            f"{names[k]} {share[k]:.1%} {seen[k]}" for k in np.argsort(-share) if seen[k]
        ))  # fmt: skip
    size = sum(file.stat().st_size for file in out.iterdir()) / 1e6
    print(f"holes {(arrays['rawDepths'] == 0).mean():.1%}, {size:.2f} MB in {out}")


def main():
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m tools.rooms.build", description=__doc__)
    parser.add_argument("libraries", type=Path, help="folder with the .sh3f furniture libraries")
    parser.add_argument("out", type=Path, help="folder for the raw files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rooms", type=int, nargs=2, default=(80, 30), metavar=("TRAIN", "TEST"))
    parser.add_argument("--unpacked", type=Path, help="keep the unpacked models here")
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet (PNG) here")
    args = parser.parse_args()
    for library in catalogue.LIBRARIES:
        if not (args.libraries / f"{library}.sh3f").is_file():
            parser.error(
                f"{args.libraries} holds no {library}.sh3f; it should be the folder "
                "usr/share/sweethome3d/furniture of Debian's package sweethome3d-furniture"
            )
    with tempfile.TemporaryDirectory() as temporary:
        models = catalogue.load(args.libraries, args.unpacked or temporary)
        arrays, rows, used = build(models, args.rooms, args.seed)
    write(args.out, arrays, rows, used)
    report(arrays, rows, args.out)
    if args.sheet:
        contact_sheet.write(args.sheet, arrays, [row[3] for row in rows])


if __name__ == "__main__":
    main()
