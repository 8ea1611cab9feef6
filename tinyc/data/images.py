"""A folder of images, one folder a class: `train/CLASS` and `test/CLASS` (and `val/CLASS`), or `CLASS` alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyc.data.pictures import Resize
from tinyc.data.raw import Raw
from tinyc.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
PARTS = ("train", "test", "val")
GREY = ("1", "L", "LA")
LAYOUT = "lay it out as train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png to be split"


def files(folder: Path) -> tuple[Path, ...]:
    """List the images that are read, in their order: part, class, file name."""
    return tuple(path for groups in parts(folder).values() for paths in groups.values() for path in paths)


def read(folder: Path, resize: Resize | None = None) -> Raw:
    """Read all images as uint8, (examples, height, width, 1 or 3); `resize` brings those of several sizes to one.

    Raises:
        UserError: no images, an unreadable one, or images of several sizes.
    """
    found = parts(folder)
    names = tuple(sorted({name for groups in found.values() for name in groups}))
    headers = {path: header(path) for groups in found.values() for paths in groups.values() for path in paths}
    modes = {path: mode for path, (mode, _) in headers.items()}
    sizes = {size for _, size in headers.values()}
    resize = resize if len(sizes) > 1 else None
    grey = [path for path in modes if modes[path] in GREY]
    channels = 1 if len(grey) == len(modes) else 3
    warnings = [f"{folder}: {count} are not read, the first is {first}" for first, count in strangers(folder, found)]
    if channels == 3 and grey:
        warnings.append(f"{folder}: {len(grey)} grey images among colour ones become colour, the first is {grey[0]}")
    if resize:
        warnings.append(f"{folder}: images of {len(sizes)} sizes are resized as they are read")
    x: dict[str, NDArray[Any]] = {}
    y: dict[str, NDArray[Any]] = {}
    shape = pixels(next(iter(modes)), channels, resize).shape
    for part, groups in found.items():
        paths = [path for group in groups.values() for path in group]
        x[part] = stack(paths, channels, shape, next(iter(modes)), resize)
        y[part] = np.array([names.index(name) for name, group in groups.items() for _ in group], np.int64)
    return Raw(str(folder), x, y, names, warnings=tuple(warnings))


def parts(folder: Path) -> Mapping[str, Mapping[str, list[Path]]]:
    """Sort the images of a folder by part and class."""
    top = {path.name: path for path in folders(folder)}
    if not top:
        raise UserError(str(folder), "has no folders of images", LAYOUT)
    if "train" not in top and "test" not in top:
        return {"all": classes(folder)}
    missing = [name for name in ("train", "test") if name not in top]
    if missing:
        raise UserError(str(folder), f"has no folder {missing[0]!r} beside {', '.join(top)}", LAYOUT)
    strange = [name for name in top if name not in PARTS]
    if strange:
        raise UserError(str(folder), f"has {', '.join(strange)} beside train and test", LAYOUT)
    found: dict[str, dict[str, list[Path]]] = {name: classes(top[name]) for name in PARTS if name in top}
    for part, groups in found.items():
        unseen = sorted(set(groups) - set(found["train"]))
        if unseen:
            raise UserError(
                str(top[part]), f"has the class {unseen[0]!r}, which train lacks", "add it to train, or remove it"
            )
    return found


def classes(folder: Path) -> dict[str, list[Path]]:
    """List the images of each class folder, by name."""
    found = {path.name: images(path) for path in folders(folder)}
    if not found:
        raise UserError(str(folder), "has no class folders", LAYOUT)
    empty = [name for name in found if not found[name]]
    if empty:
        raise UserError(
            str(folder / empty[0]), "has no images", f"add some ({', '.join(SUFFIXES)}), or remove the folder"
        )
    return found


def folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_image(path))


def is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def strangers(folder: Path, found: Mapping[str, Mapping[str, list[Path]]]) -> list[tuple[Path, str]]:
    """Say what else lies in the class folders, hidden files aside."""
    homes = sorted({paths[0].parent for groups in found.values() for paths in groups.values()})
    others = [
        path
        for home in homes
        for path in sorted(home.iterdir())
        if not is_image(path) and not path.name.startswith(".")
    ]
    return [(others[0], f"{len(others)} files or folders that are no images")] if others else []


def header(path: Path) -> tuple[str, tuple[int, int]]:
    """Read an image's colour mode, and its width and height."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            found, size = str(image.mode), image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise unreadable(path, error) from error
    if found.startswith(("I", "F")):
        raise UserError(str(path), f"has more than 8 bits a channel (mode {found})", "save it with 8 bits a channel")
    return found, size


def pixels(path: Path, channels: int, resize: Resize | None = None) -> NDArray[Any]:
    """Read one image as uint8, (height, width, channels)."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            array = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise unreadable(path, error) from error
    array = array.reshape(*array.shape[:2], channels)
    return resize.apply(array[None])[0] if resize else array


def stack(
    paths: list[Path], channels: int, shape: tuple[int, ...], first: Path, resize: Resize | None = None
) -> NDArray[Any]:
    """Read images of one shape into one array."""
    x = np.empty((len(paths), *shape), np.uint8)
    for index, path in enumerate(paths):
        image = pixels(path, channels, resize)
        if image.shape != shape:
            raise UserError(
                str(path),
                f"is {image.shape[1]}x{image.shape[0]}, but {first} is {shape[1]}x{shape[0]} (width x height)",
                'bring all images to one size: prepare = [{ op = "resize", height = 96, width = 96 }]',
            )
        x[index] = image
    return x


def unreadable(path: Path, error: Exception) -> UserError:
    return UserError(str(path), f"cannot be read as an image: {error}", "replace or remove the file")
