"""Ray casting of a furnished room: colours, exact depth and labels of the first surface hit."""

from dataclasses import dataclass

import numpy as np
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh

from . import appearance

OCCLUSION_RAYS = 12
SAMPLES = 2  # rays per pixel and axis
BOUNDARY = ("wall", "floor", "ceiling")


@dataclass
class Surface:
    """The share of a scene that belongs to one object."""

    label: str
    look: appearance.Look
    materials: list
    to_local: np.ndarray  # (4, 3): room coordinates, 1 -> the object's own axes


class Scene:
    """All triangles of a room in one Embree scene; `surfaces[object[face]]` owns a face."""

    def __init__(self, room, rng):
        self.surfaces, vertices, faces, owner, material, uv = [], [], [], [], [], []

        def add(label, look, materials, points, triangles, index, coordinates, to_local):
            faces.append(triangles + sum(map(len, vertices)))
            vertices.append(points)
            owner.append(np.full(len(triangles), len(self.surfaces)))
            material.append(index)
            uv.append(coordinates)
            self.surfaces.append(Surface(label, look, materials, to_local))

        looks = {label: appearance.draw(label, rng) for label in BOUNDARY}
        corner = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * room.size
        quads = {
            "wall": ((0, 2, 6, 4), (1, 3, 7, 5), (0, 1, 3, 2), (4, 5, 7, 6)),
            "floor": ((0, 1, 5, 4),),
            "ceiling": ((2, 3, 7, 6),),
        }
        for label, sides in quads.items():
            triangles = np.array([[q[i] for i in t] for q in sides for t in ((0, 1, 2), (0, 2, 3))])
            blank = np.zeros(len(triangles), int), np.zeros((len(triangles), 3, 2))
            add(label, looks[label], None, corner, triangles, *blank, np.eye(4, 3))
        for thing in room.things:
            ones = np.ones((len(thing.vertices), 1))
            to_local = np.linalg.lstsq(
                np.hstack([thing.vertices, ones]), thing.shape.vertices, rcond=None
            )[0]
            add(
                thing.shape.label,
                thing.look,
                thing.shape.materials,
                thing.vertices,
                thing.shape.faces,
                thing.shape.material,
                thing.shape.uv,
                to_local,
            )
        self.faces = np.vstack(faces)
        self.object, self.material = np.concatenate(owner), np.concatenate(material)
        self.uv = np.vstack(uv)
        self.embree = rtcore_scene.EmbreeScene()
        TriangleMesh(self.embree, np.vstack(vertices).astype("f4"), self.faces.astype("i4"))

    @property
    def labels(self):
        """Class name of every object."""
        return [surface.label for surface in self.surfaces]

    def first_hit(self, origins, directions):
        """Embree's record (primID, u, v, tfar, Ng) for (P, 3) rays."""
        return self.embree.run(origins.astype("f4"), directions.astype("f4"), output=True)

    def blocked(self, points, targets):
        """Whether something stands between each point and its target, (P,) bool."""
        reach = np.full(len(points), 0.999, "f4")
        way = (targets - points).astype("f4")
        return self.embree.run(points.astype("f4"), way, dists=reach, query="OCCLUDED") >= 0

    def albedo(self, face, u, v, points):
        """Colour (P, 3) in 0..1 at barycentric (u, v) of the faces."""
        weight = np.stack([1 - u - v, u, v], 1)[:, :, None]
        uv = (self.uv[face] * weight).sum(1) % 1
        colours = np.empty((len(face), 3))
        owner = self.object[face]
        for number in np.unique(owner):
            here, surface = owner == number, self.surfaces[number]
            local = np.hstack([points[here], np.ones((here.sum(), 1))]) @ surface.to_local
            own = np.full((here.sum(), 3), 0.5)
            if surface.materials is not None:
                own = _material_colours(surface.materials, self.material[face[here]], uv[here])
            colours[here] = surface.look.paint(own, local)
        return colours


def _material_colours(materials, index, uv):
    colours = np.empty((len(index), 3))
    for number in np.unique(index):
        here, material = index == number, materials[number]
        colours[here] = material.colour
        if material.texture is not None:
            rows, columns = material.texture.shape[:2]
            row = ((1 - uv[here, 1]) * (rows - 1)).astype(int)
            colours[here] = material.texture[row, (uv[here, 0] * (columns - 1)).astype(int)]
    return colours


@dataclass
class View:
    """What the exact camera sees at pixel centres, each (H, W) or (H, W, 3)."""

    rgb: np.ndarray  # uint8
    depth: np.ndarray  # metres along the optical axis
    object: np.ndarray  # number of the object
    cosine: np.ndarray  # between the ray and the surface's normal, 0..1
    albedo: np.ndarray  # mean of the three channels, 0..1
    points: np.ndarray  # room coordinates, lifted off the surface by 2 mm


def render(room, scene, camera, light, height, width, rng):
    """A `View`. `light`: normal, dark (hardly anything to see) or uniform (one colour)."""
    rays = camera.rays(height * SAMPLES, width * SAMPLES)
    origin = np.tile(camera.eye, (len(rays), 1))
    hit = scene.first_hit(origin, rays)
    face, distance = np.maximum(hit["primID"], 0), hit["tfar"].astype(float)
    points = origin + rays * distance[:, None]
    normal = hit["Ng"] / (np.linalg.norm(hit["Ng"], axis=1, keepdims=True) + 1e-12)
    normal *= -np.sign((normal * rays).sum(1, keepdims=True) + 1e-12)  # towards the camera
    lifted = points + 2e-3 * normal
    colour = scene.albedo(face, hit["u"], hit["v"], points)

    exposure, ambient = rng.uniform(0.85, 1.15), 0.55
    noise = 0.4
    if light == "dark":
        exposure, noise = rng.uniform(0.015, 0.05), 1.6
    elif light == "uniform":
        ambient = 0.85
        tone = appearance.waviness(points, rng.normal(0, 1, (7, 3)), 5)[:, None]
        colour = rng.uniform(0.35, 0.75, 3) * (1 + 0.12 * tone) + 0.04 * (colour - 0.5)
    shade = ambient * _openness(scene, lifted, normal, rng)[:, None] * rng.uniform(0.92, 1.08, 3)
    for _ in range(2):
        shade = shade + (1 - ambient) * _lamp(room, scene, lifted, normal, rng)
    picture = (exposure * colour * shade).reshape(height, SAMPLES, width, SAMPLES, 3).mean((1, 3))
    rgb = 255 * picture + rng.normal(0, noise, picture.shape)

    def centre(values):
        values = values.reshape(height, SAMPLES, width, SAMPLES, *values.shape[1:])
        return values[:, 1, :, 1]

    cosine = np.abs((normal * rays).sum(1)) / np.linalg.norm(rays, axis=1)
    return View(
        np.clip(2 * np.round(rgb / 2), 0, 254).astype("u1"),  # 7 bits: a third less to store
        centre(distance),
        centre(scene.object[face]),
        centre(cosine),
        centre(colour.mean(1)),
        centre(lifted),
    )


def _openness(scene, points, normal, rng):
    """1 in the open, down to 0.4 in corners and crevices: the share of near things in the way."""
    closed = np.zeros(len(points))
    for _ in range(OCCLUSION_RAYS):
        bounce = rng.normal(size=points.shape)
        bounce = normal * 1.02 + bounce / np.linalg.norm(bounce, axis=1, keepdims=True)
        closed += scene.blocked(points, points + 0.6 * bounce)
    return 1 - 0.6 * closed / OCCLUSION_RAYS


def _lamp(room, scene, points, normal, rng):
    """Light (P, 3) of one lamp below the ceiling, with a soft shadow."""
    spot = room.size * rng.uniform([0.2, 0.75, 0.2], [0.8, 0.95, 0.8])
    warmth = np.array([1.0, rng.uniform(0.88, 1.0), rng.uniform(0.7, 1.0)])
    way = spot + rng.normal(0, 0.03, points.shape) - points
    reach = np.linalg.norm(way, axis=1)
    lambert = np.maximum((normal * way).sum(1) / (reach + 1e-9), 0)
    lit = np.where(scene.blocked(points, points + way), 0.1, 1.0)
    return (lambert * lit * rng.uniform(0.7, 1.2) / (1 + 0.12 * reach**2))[:, None] * warmth
