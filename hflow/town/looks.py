"""How a street looks: to a game, to the camera of a car, on a clear day, at night, in haze.

Looks differ as a game differs from a camera: materials, light, haze, contrast, colour cast, sharpness and noise. At
night and in haze the street is that of the clear day, pixel by pixel, so that the day is the truth of both.
"""

from collections.abc import Mapping
from io import BytesIO

import numpy as np
from PIL import Image

from hflow.town.street import FAR, SUPERSAMPLING, Scene, Surface

__all__ = ["look_at_night", "look_in_haze", "look_of_camera", "look_of_clear_day", "look_of_game"]


def look_of_game(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """A scene as a game shows it: a sunny day, rich colours, clean repeated textures, everything sharp.

    Returns:
        uint8, (H, W, 3), RGB.
    """
    albedo = _albedo(scene, _GAME)
    albedo *= (1 + 0.22 * scene.pattern + 0.22 * scene.grain)[..., None]
    warmth = rng.uniform(-0.04, 0.08)
    sun = np.array([1.05 + warmth, 0.98, 0.86 - warmth]) * rng.uniform(0.75, 0.95)
    sky = np.array([0.50, 0.55, 0.64], np.float32)
    light = scene.ambient[..., None] * sky + scene.sun[..., None] * sun.astype(np.float32)
    picture = albedo * light
    _paint_sky(scene, picture, zenith=(0.16, 0.36, 0.80), horizon=(0.66, 0.80, 0.95), clouds=0.6)
    _haze(scene, picture, (0.66, 0.78, 0.92), visibility=420.0)
    picture = _shrink(picture) * rng.uniform(0.95, 1.1)
    picture = _saturate(picture, 1.25)
    picture = np.clip(picture, 0, 1) ** (1 / 2.0)
    picture = picture + 0.5 * (picture - _blur(picture, 0.8))  # the sharpening of games
    picture = picture + 0.16 * np.sin(2 * np.pi * (picture - 0.5)) / np.pi  # steep in the middle
    return _to_bytes(picture)


def look_of_camera(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """A scene as a car's camera sees it: overcast, dull and greenish, soft, dark towards the corners, noisy.

    Returns:
        uint8, (H, W, 3), RGB.
    """
    albedo = _albedo(scene, _CAMERA)
    albedo *= (1 + 0.10 * scene.pattern + 0.45 * scene.grain)[..., None]
    light = (0.85 * scene.ambient + 0.12 * scene.sun)[..., None]
    picture = albedo * light
    _paint_sky(scene, picture, zenith=(0.95, 1.0, 1.0), horizon=(1.15, 1.2, 1.18), clouds=0.12)
    _haze(scene, picture, (0.62, 0.68, 0.66), visibility=rng.uniform(170, 260))
    picture = _shrink(picture)
    height, width = scene.labels.shape
    shake = rng.integers(2)  # moved by a pixel while the shutter was open, or not
    picture = _blur((picture + np.roll(picture, shake, axis=1)) / 2, 0.003 * width)

    v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    picture = picture * (1 - 0.22 * (u**2 + v**2))[..., None] * rng.uniform(0.45, 0.65)
    picture = _saturate(picture, 0.68) * (0.90, 1.0, 0.90)
    noise = rng.normal(size=(height, width, 3)) * (0.7, 0.5, 0.8) + rng.normal(size=(height, width, 1)) * 0.8
    picture = picture + noise * np.sqrt(0.00002 + 0.00035 * np.clip(picture, 0, 1))  # of the dark and of the photons
    picture = 0.05 + 0.85 * np.clip(picture, 0, 1) ** (1 / 1.9)  # stray light lifts the shadows
    return _through_jpeg(_to_bytes(picture), quality=int(rng.integers(78, 92)))


def look_of_clear_day(scene: Scene) -> np.ndarray:
    """A scene as a good camera sees it by day: overcast, nothing cast over it; the same for each scene.

    Returns:
        uint8, (H, W, 3), RGB.
    """
    return _developed(_shrink(_by_day(scene)), 0.6)


def look_at_night(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The clear day's scene by a twentieth of its light, bluish, with the noise that the camera's gain brings out.

    Returns:
        uint8, (H, W, 3), RGB.
    """
    light = rng.uniform(0.035, 0.06) * np.array([0.85, 1.0, 1.25])
    picture = _shrink(_by_day(scene)) * light
    noise = rng.normal(size=picture.shape) * np.sqrt(0.0000004 + 0.00002 * picture)  # of the dark and of the photons
    return _developed(picture + noise, 0.6)


def look_in_haze(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The clear day's scene through air that scatters light (Koschmieder's law), so that what is far is white.

    Returns:
        uint8, (H, W, 3), RGB.
    """
    picture = _by_day(scene)
    clear = 0.75 * np.exp(-np.minimum(scene.depth, FAR) / rng.uniform(50, 90))[..., None]
    picture += (1 - clear) * (np.array([1.0, 1.05, 1.08], np.float32) - picture)
    return _developed(_shrink(picture), 0.6)


def _by_day(scene: Scene) -> np.ndarray:
    albedo = _albedo(scene, _CAMERA)
    albedo *= (1 + 0.10 * scene.pattern + 0.30 * scene.grain)[..., None]
    picture = albedo * (0.85 * scene.ambient + 0.12 * scene.sun)[..., None]
    _paint_sky(scene, picture, zenith=(0.60, 0.75, 0.95), horizon=(0.95, 1.0, 1.02), clouds=0.3)
    return picture


def _developed(picture: np.ndarray, exposure: float) -> np.ndarray:
    """Linear light through exposure and a tone curve, as bytes."""
    return _to_bytes(np.clip(picture * exposure, 0, 1) ** (1 / 2.0))


# Steps that the looks share. Pictures are float (H, W, 3), linear light in about [0, 1] until the tone curve.


def _albedo(scene: Scene, palette: Mapping[Surface, tuple[str, ...]]) -> np.ndarray:
    """The colour of every pixel's surface, linear; an object's variant chooses among the colours of its surface."""
    choices = max(len(colours) for colours in palette.values())
    table, counts = np.zeros((len(Surface), choices, 3), np.float32), np.ones(len(Surface), np.float32)
    for surface, colours in palette.items():
        counts[surface] = len(colours)
        for k, colour in enumerate(colours):
            table[surface, k] = (np.array(list(bytes.fromhex(colour))) / 255) ** 2.2
    choice = np.minimum(scene.variant * counts[scene.surface], counts[scene.surface] - 1).astype(int)
    return table[scene.surface, choice]


def _paint_sky(
    scene: Scene,
    picture: np.ndarray,
    zenith: tuple[float, float, float],
    horizon: tuple[float, float, float],
    clouds: float,
) -> None:
    sky = scene.surface == Surface.SKY
    rise = np.clip(scene.elevation[sky] * 3.2, 0, 1)[:, None]
    cover = clouds * np.clip(scene.grain[sky] * 3 + 0.2, 0, 1)[:, None]
    picture[sky] = ((1 - rise) * horizon + rise * np.array(zenith)) * (1 - cover) + cover * 0.95


def _haze(scene: Scene, picture: np.ndarray, colour: tuple[float, float, float], visibility: float) -> None:
    """Mixes the colour of the air into what is far away."""
    clear = np.where(scene.depth < FAR, np.exp(-scene.depth / visibility), 1)[..., None]
    picture += (1 - clear) * (np.array(colour, np.float32) - picture)


def _shrink(picture: np.ndarray) -> np.ndarray:
    """The mean over each pixel's supersamples."""
    height, width, _ = picture.shape
    k = SUPERSAMPLING
    return picture.reshape(height // k, k, width // k, k, 3).mean(axis=(1, 3))


def _saturate(picture: np.ndarray, by: float) -> np.ndarray:
    grey = picture @ np.array([0.2126, 0.7152, 0.0722])
    return grey[..., None] + by * (picture - grey[..., None])


def _blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian, sigma in pixels, the border repeated."""
    reach = max(1, int(np.ceil(3 * sigma)))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        length = picture.shape[axis]
        padded = np.pad(picture, [(reach, reach) if axis == a else (0, 0) for a in range(3)], mode="edge")
        picture = sum(w * padded.take(range(k, k + length), axis) for k, w in enumerate(weights))
    return picture


def _to_bytes(picture: np.ndarray) -> np.ndarray:
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _through_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """The picture after the compression of a camera's recorder."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


# Colours of the surfaces, sRGB. The variant of a marking, lamp or sign has a meaning (see `hflow.town.street`), so
# those lists keep their order and length: marking (edge, centre line); lamp (red, amber, green, off, head lamp).

_GAME: Mapping[Surface, tuple[str, ...]] = {
    Surface.ASPHALT: ("8c8a90", "77757c"),
    Surface.MARKING: ("f4f4ee", "f2b824"),
    Surface.PAVING: ("d8c3a4",),
    Surface.KERB: ("e6dccb",),
    Surface.GRASS: ("6fae35",),
    Surface.PLASTER: ("e8cf9c", "d9a066", "c9735a", "e7e0d2", "a9b8c9", "d8b8a0"),
    Surface.BRICK: ("b4553c", "c77a50", "9a4a3e"),
    Surface.WINDOW: ("4f7ea8", "86b4d8", "35597c", "a9d0ea"),
    Surface.DOOR: ("7a3f22", "2f5d4a"),
    Surface.ROOF: ("b4492f", "8d4a3a", "6b6f7a"),
    Surface.CONCRETE: ("cbbfae", "b9a58c"),
    Surface.FENCE: ("9a6b40", "c8c8c8"),
    Surface.GAP: ("4c6a34",),
    Surface.METAL: ("8e949c", "6c747e"),
    Surface.HOUSING: ("2c2c26",),
    Surface.LAMP: ("ff2a1a", "ffb01e", "28e868", "30302c", "fff6d8"),
    Surface.SIGN: ("e02318", "fbfbf6", "1e5bd0", "f8cc1c"),
    Surface.LEAVES: ("4f9a2c", "6bab34", "3d8434", "86b83a"),
    Surface.BARK: ("7a5436",),
    Surface.SKIN: ("e2ad88", "c08860", "8a5a3c"),
    Surface.CLOTH: ("d43c34", "2f5fc4", "34343c", "f0e6d0", "e89a2a", "3f8f5c", "7a4aa8"),
    Surface.PAINT: ("d81e1e", "f2f2f0", "1f4fc0", "1c1c22", "f0b41c", "b9c2cc", "1f8a52"),
    Surface.GLASS: ("2c4258",),
    Surface.TYRE: ("1c1b1d",),
    Surface.CARGO: ("f4f0e8", "e07a24", "3a7cc8", "d8c84a"),
}

_CAMERA: Mapping[Surface, tuple[str, ...]] = {
    Surface.ASPHALT: ("605f60", "565555"),
    Surface.MARKING: ("c4c6c2", "c4c6c2"),
    Surface.PAVING: ("8b8683",),
    Surface.KERB: ("a09f9a",),
    Surface.GRASS: ("7a8c4c",),
    Surface.PLASTER: ("a89f8c", "8f8672", "8c7468", "b3b0a6", "7f868a", "9c8a7c"),
    Surface.BRICK: ("6e5048", "80685a", "5f4c48"),
    Surface.WINDOW: ("3c4446", "5c6668", "2c3234", "7c8684"),
    Surface.DOOR: ("4a3c34", "3a4640"),
    Surface.ROOF: ("68504a", "5c4e4a", "54585c"),
    Surface.CONCRETE: ("94908a", "86807a"),
    Surface.FENCE: ("62584e", "84888a"),
    Surface.GAP: ("3c4636",),
    Surface.METAL: ("62666a", "54585c"),
    Surface.HOUSING: ("1e2220",),
    Surface.LAMP: ("f03c30", "f0a040", "50d890", "262828", "e8ecea"),
    Surface.SIGN: ("b43430", "d4d6d2", "2c4c94", "d0a838"),
    Surface.LEAVES: ("5e7a44", "6c8848", "527040", "7a9450"),
    Surface.BARK: ("4c443c",),
    Surface.SKIN: ("b8947e", "a07a62", "785a48"),
    Surface.CLOTH: ("7c3c3a", "34405c", "26282c", "a8a498", "8a6a44", "46584c", "4c4458"),
    Surface.PAINT: ("862c2a", "c8cac8", "2c3e68", "1c1e22", "9c9e9c", "6c7276", "34503f"),
    Surface.GLASS: ("1e2628",),
    Surface.TYRE: ("161717",),
    Surface.CARGO: ("bcbcb6", "8a6a4c", "4c6274", "a09c84"),
}
