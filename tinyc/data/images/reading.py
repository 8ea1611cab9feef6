"""A folder of images, one folder a class: `train/CLASS` and `test/CLASS` (and `val/CLASS`), or `CLASS` alone."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tinyc.core import files, limits
from tinyc.core.errors import TinycError, UserError, obeyed_by_none
from tinyc.data import room
from tinyc.data.images import pictures
from tinyc.data.raw import Raw
from tinyc.data.text import strings
from tinyc.spec.images import Resize

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
PARTS = ("train", "test", "val")
GREY = ("1", "L", "LA")
SCAN = b"\xff\xda"
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
"""What a file holds, whatever its name ends with."""
LAYOUT = "lay it out as train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png to be split"


def listed(folder: Path) -> tuple[Path, ...]:
    """List the images that are read, in their order: part, class, file name."""
    return tuple(path for groups in parts(folder).values() for paths in groups.values() for path in paths)


def read_images(folder: Path, resize: Resize | None = None) -> Raw:
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
    notes = [f"{folder}: {count} are not read, the first is {first}" for first, count in strangers(folder, found)]
    if channels == 3 and grey:
        notes.append(f"{folder}: {len(grey)} grey images among colour ones become colour, the first is {grey[0]}")
    if resize:
        notes.append(f"{folder}: images of {len(sizes)} sizes are resized as they are read")
    x: dict[str, NDArray[Any]] = {}
    y: dict[str, NDArray[Any]] = {}
    shape = pixels(next(iter(modes)), channels, resize).shape
    room.require(str(folder), len(modes) * math.prod(shape))
    numbers = {name: number for number, name in enumerate(names)}
    for part, groups in found.items():
        paths = [path for group in groups.values() for path in group]
        x[part] = stack(paths, channels, shape, next(iter(modes)), resize)
        y[part] = np.array([numbers[name] for name, group in groups.items() for _ in group], np.int64)
    return Raw(obeyed_by_none(str(folder)), x, y, names, warnings=tuple(map(obeyed_by_none, notes)))


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
    """List the folders in a folder, of which each is a part or a class.

    Raises:
        UserError: a name is not UTF-8, so that it cannot be a class in a report or in C.
    """
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    for path in found:
        if not strings.can_be_name(path.name):
            problem = "has a name that is not UTF-8, or holds control characters, and names a class"
            raise UserError(str(path), problem, "rename the folder")
    return found


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
    return [(others[0], f"{len(others)} files or folders that are not images")] if others else []


@contextmanager
def open_image(path: Path) -> Iterator[Any]:
    """Open an image of a format that is read: others of Pillow's run other programs, or lead to other files.

    Raises:
        UserError: it is none, is damaged, or too large.
    """
    where = str(path)
    with files.opened(path, limits.IMAGE_BYTES) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own limit of pixels is looser, and what it notes of palettes is fine
        try:
            with Image.open(stream, formats=FORMATS) as image:
                if math.prod(image.size) > limits.PIXELS:
                    raise Image.DecompressionBombError
                if image.format in ("JPEG", "MPO"):
                    require_scans(where, stream)
                yield image
        except TinycError:
            raise
        except Image.DecompressionBombError as error:
            problem = f"has more than the {limits.PIXELS:,} pixels that are read"
            raise UserError(where, problem, "make the image smaller") from error
        except Exception as error:  # damaged bytes make Pillow raise of all kinds
            said = str(error) or type(error).__name__
            if isinstance(error, UnidentifiedImageError):  # its own text names a Python object
                said = f"it is not one of {', '.join(FORMATS)}, or damaged"
            raise UserError(where, f"cannot be read as an image: {said}", "replace or remove the file") from error


def require_scans(where: str, stream: BinaryIO) -> None:
    """Refuse a JPEG that would be decoded over and over."""
    place = stream.tell()
    stream.seek(0)
    scans = sum(piece.count(SCAN) for piece in iter(lambda: stream.read(1 << 20), b""))
    stream.seek(place)
    if scans > limits.IMAGE_SCANS:
        problem = f"has {scans:,} scans; at most {limits.IMAGE_SCANS} of a JPEG are read"
        raise UserError(where, problem, "save it again as .png, or as a JPEG that is not progressive")


def header(path: Path) -> tuple[str, tuple[int, int]]:
    """Read an image's colour mode, and its width and height."""
    with open_image(path) as image:
        found, size = str(image.mode), image.size
    if found.startswith(("I", "F")):
        raise UserError(str(path), f"has more than 8 bits a channel (mode {found})", "save it with 8 bits a channel")
    return found, size


def pixels(path: Path, channels: int, resize: Resize | None = None) -> NDArray[Any]:
    """Read one image as uint8, (height, width, channels)."""
    with open_image(path) as image:
        array = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    array = array.reshape(*array.shape[:2], channels)
    return pictures.resize(array[None], resize)[0] if resize else array


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
