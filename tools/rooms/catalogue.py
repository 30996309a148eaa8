"""Furniture models of the Sweet Home 3D libraries, and the shapes they become.

Every object is a `Shape`: triangles with one material each, in metres, standing on y = 0, centred
on x = z = 0, its back towards -z (the convention of the catalogues).
"""

import logging
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

LIBRARIES = ("BlendSwap-CC-0", "BlendSwap-CC-BY", "KatorLegaz", "Scopia", "Reallusion")
MAX_FACES = 60_000  # heavier models cost seconds to load and look the same at 128 pixels
TEXTURE_SIZE = 128
MIN_PLANT = 0.6  # metres; smaller ones are a few pixels
logging.getLogger("trimesh").setLevel(logging.CRITICAL)  # it warns of each absent material file

# (pattern of the whole lower-case model name, class, where it goes); the first match counts.
# wall: on the floor, back to a wall; floor: anywhere; seat: at a table; hung: on a wall.
RULES = (
    (r"(captain's |child |day |hospital )?bed|futon|bunk bed", "bed", "wall"),
    (r".*(sofa|couch).*", "sofa", "wall"),
    (r"(?!wheel|baby).*chair.*|class seat", "chair", "seat"),
    (r"((oak|black|round|folding|wooden|technical|rattan|cafe|wooden alder|wooden teak) )?table"
     r"( with tablecloth| on trestles)?", "table", "floor"),
    (r"(?!.*upper).*cabinet|cupboard|dresser.*|chest", "cabinet", "wall"),
    (r"(full )?bookcase", "bookshelf", "wall"),
    (r".*fridge|refrigerator", "refridgerator", "wall"),
    (r"toilets unit|bidet", "toilet", "wall"),
    (r"washbasin|basin|small lavatory|sink|(double )?vanity", "sink", "wall"),
    (r"bath|.*bathtub|island bath", "bathtub", "wall"),
    (r".*window( .*)?", "window", "hung"),
    (r"(exterior |double |screen )?door( with panes)?", "door", "hung"),
    (r"(holding )?(male|female)|boy|girl", "person", "floor"),
    (r".*plant.*|ficus|yucca|bamboo|spathiphyllum|christmas tree", "plant", "floor"),
)  # fmt: skip


@dataclass
class Material:
    """`colour`: (3,) in 0..1; `texture`: (h, w, 3) in 0..1 or None."""

    colour: np.ndarray
    texture: np.ndarray | None = None


@dataclass
class Shape:
    """Triangles of one object; `material` and `uv` have a row for each face."""

    label: str
    where: str
    vertices: np.ndarray  # (V, 3)
    faces: np.ndarray  # (F, 3)
    material: np.ndarray  # (F,)
    uv: np.ndarray  # (F, 3, 2)
    materials: list
    elevation: float = 0.0

    @property
    def size(self):
        """Width, height and depth in metres."""
        return np.ptp(self.vertices, axis=0)


@dataclass
class Model:
    """One catalogue entry; its triangles are read when first asked for."""

    label: str
    where: str
    name: str
    library: str
    creator: str
    file: Path
    rotation: str
    size: tuple
    elevation: float
    _shape: Shape | None = None
    _damaged: bool = False

    def shape(self):
        """The model as a `Shape`, or None where its file is damaged, empty or too heavy."""
        if self._shape is None and not self._damaged:
            try:
                self._shape = _read(self)
            except (ValueError, OSError, KeyError) as problem:
                print(f"\nleft out {self.library}, {self.name}: {problem}")
                self._damaged = True
        return self._shape


def load(folder, work):
    """Usable models by class: {class: [Model, ...]}.

    Args:
        folder: where the .sh3f libraries lie (/usr/share/sweethome3d/furniture on Debian).
        work: folder to unpack the models in; kept, so that a second call is quick.

    Raises:
        FileNotFoundError: a library is not there.
    """
    models = {}
    for library in LIBRARIES:
        target = Path(work) / library
        with zipfile.ZipFile(Path(folder) / f"{library}.sh3f") as archive:
            if not target.is_dir():
                partial = target.with_name(f"{library}.part")
                archive.extractall(partial)
                partial.rename(target)
            text = archive.read("PluginFurnitureCatalog.properties").decode("latin1")
        for entry in _entries(text):
            model = _model(entry, library, target)
            if model is not None:
                models.setdefault(model.label, []).append(model)
    return models


def _entries(text):
    entries = {}
    for key, number, value in re.findall(r"^(\w+)#(\d+)\s*=\s*(.*?)\s*$", text, re.M):
        entries.setdefault(int(number), {})[key] = value
    return [entry for _, entry in sorted(entries.items())]


def _model(entry, library, target):
    name = entry["name"].lower()
    rule = next((rule for rule in RULES if re.fullmatch(rule[0], name)), None)
    if rule is None or entry.get("category") in ("Vehicles", "Staircases"):
        return None
    size = tuple(float(entry[key]) / 100 for key in ("width", "height", "depth"))
    if rule[1] == "plant" and size[1] < MIN_PLANT:
        return None
    file = target / entry["model"].lstrip("/")
    return Model(
        rule[1],
        rule[2],
        name,
        library,
        entry.get("creator", library),
        file,
        entry.get("modelRotation", ""),
        size,
        float(entry.get("elevation", 0)) / 100,
    )


def _read(model):
    scene = trimesh.load(model.file, process=False, force="scene")
    parts = [g for g in scene.dump() if isinstance(g, trimesh.Trimesh) and len(g.faces)]
    count = sum(len(part.faces) for part in parts)
    if not 0 < count <= MAX_FACES:
        raise ValueError(f"{count} faces, 1 to {MAX_FACES} are wanted")
    base = np.cumsum([0] + [len(part.vertices) for part in parts])
    vertices = np.vstack([part.vertices for part in parts])
    if model.rotation:
        vertices = vertices @ np.array(model.rotation.split(), float).reshape(3, 3).T
    low, high = vertices.min(0), vertices.max(0)
    foot = [(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2]
    vertices = (vertices - foot) * (np.array(model.size) / np.maximum(high - low, 1e-6))
    materials, uvs = zip(*map(_material, parts), strict=True)
    return Shape(
        model.label,
        model.where,
        vertices,
        np.vstack([part.faces + start for part, start in zip(parts, base, strict=False)]),
        np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts]),
        np.vstack(uvs),
        list(materials),
        model.elevation,
    )


def _material(part):
    """The part's material and its texture coordinates (F, 3, 2)."""
    flat = np.zeros((len(part.faces), 3, 2))
    visual = part.visual
    if not isinstance(visual, trimesh.visual.TextureVisuals):
        return Material(np.asarray(visual.face_colors)[:, :3].mean(0) / 255), flat
    image = getattr(visual.material, "image", None)
    if image is None or visual.uv is None:
        return Material(np.asarray(visual.material.main_color[:3], float) / 255), flat
    image = image.convert("RGB")
    image.thumbnail((TEXTURE_SIZE, TEXTURE_SIZE))
    texture = np.asarray(image) / 255
    uv = np.nan_to_num(np.asarray(visual.uv)[part.faces])
    return Material(texture.reshape(-1, 3).mean(0), texture), uv
