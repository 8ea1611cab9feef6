"""HDF5 whose datasets lie in other files: external storage, links, virtual datasets, foreign filters."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import h5py

from support.hostile.blank import Network, identity
from support.hostile.case import Case
from support.hostile.ground import SECRET, Ground
from support.hostile.writing import members, write_h5, zipped

Reach = Callable[[Any, str, Ground], None]
"""Puts something that leads out in the place of a dataset: (group, name, ground)."""
KERNELS = {"h5": ("model_weights/logits/logits", "kernel:0"), "keras": ("layers/dense/vars", "0")}


def within(reach: Reach) -> Callable[[Ground, str], None]:
    """Change the kernel of an innocent network, also inside a .keras."""

    def write(ground: Ground, form: str) -> None:
        path, (place, name) = ground.network(form), KERNELS[form]
        if form == "h5":
            write_h5(path, Network(identity()), ground)
            with h5py.File(path, "a") as file:
                replaced(file, place, name, reach, ground)
            return
        parts = members(Network(identity()))
        stream = io.BytesIO(parts[-1][1])
        with h5py.File(stream, "a") as file:
            replaced(file, place, name, reach, ground)
        zipped(path, [*parts[:-1], (parts[-1][0], stream.getvalue())])

    return write


def replaced(file: Any, place: str, name: str, reach: Reach, ground: Ground) -> None:
    group = file[place]
    del group[name]
    reach(group, name, ground)


def stored_outside(group: Any, name: str, ground: Ground) -> None:
    group.create_dataset(name, (64, 3), "f4", external=[(str(ground.secret), 0, 4 * 192)])


def passwords(group: Any, name: str, _: Ground) -> None:
    group.create_dataset(name, (64, 3), "f4", external=[("/etc/passwd", 0, 4 * 192)])


def upwards(group: Any, name: str, _: Ground) -> None:
    group.create_dataset(name, (64, 3), "f4", external=[("../canary/secret", 0, 4 * 192)])


def other_file(ground: Ground) -> str:
    path = ground.canary / "other.h5"
    with h5py.File(path, "a") as file:
        file.require_dataset("kernel", (64, 3), "f4")
    return str(path)


def external(group: Any, name: str, ground: Ground) -> None:
    group[name] = h5py.ExternalLink(other_file(ground), "kernel")


def soft(group: Any, name: str, _: Ground) -> None:
    group[name] = h5py.SoftLink("/elsewhere")


def soft_inside(group: Any, name: str, ground: Ground) -> None:
    """A soft link to an external link."""
    group.file["apart"] = h5py.ExternalLink(other_file(ground), "kernel")
    group[name] = h5py.SoftLink("/apart")


def virtual(group: Any, name: str, ground: Ground) -> None:
    layout = h5py.VirtualLayout((64, 3), "f4")
    layout[:] = h5py.VirtualSource(other_file(ground), "kernel", (64, 3))
    group.create_virtual_dataset(name, layout)


def filtered(group: Any, name: str, _: Ground) -> None:
    """A filter that HDF5 would look for among shared objects."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((64, 3))
    plan.set_filter(32_768 + 77, h5py.h5z.FLAG_OPTIONAL, (1,))
    space = h5py.h5s.create_simple((64, 3))
    made = h5py.h5d.create(group.id, name.encode(), h5py.h5t.IEEE_F32LE, space, plan)
    made.write_direct_chunk((0, 0), SECRET[:768])


def bomb(group: Any, name: str, _: Ground) -> None:
    """A few bytes that say to be a terabyte."""
    group.create_dataset(name, (1 << 20, 1 << 18), "f4", chunks=(1 << 10, 1 << 10), compression="gzip")


def configured(ground: Ground, form: str) -> None:
    """An HDF5 file whose weights lie in a linked file, all of them."""
    write_h5(ground.network(form), Network(identity()), ground)
    with h5py.File(ground.network(form), "a") as file:
        other = other_file(ground)
        del file["model_weights"]
        file["model_weights"] = h5py.ExternalLink(other, "/")


BOTH = ("h5", "keras")
OUT = "lies in another file|the link"
REACHING = (
    Case("outside", "a kernel that lies in a file of the user's", within(stored_outside), OUT, BOTH, BOTH),
    Case("passwords", "/etc/passwd as a kernel", within(passwords), OUT, BOTH),
    Case("upwards", "a kernel beside the run's folder", within(upwards), OUT, BOTH, BOTH),
    Case("external_link", "a kernel in another HDF5 file", within(external), OUT, BOTH),
    Case("soft_link", "a link to nothing", within(soft), OUT, BOTH),
    Case("soft_to_external", "a link to a link", within(soft_inside), OUT, BOTH),
    Case("virtual", "a dataset made of another file's", within(virtual), OUT, BOTH),
    Case("filter", "a filter that HDF5 would load", within(filtered), "filter", BOTH),
    Case("bomb", "a terabyte in a few bytes", within(bomb), "unpacks to", BOTH),
    Case("all_linked", "all weights in another file", configured, OUT, ("h5",)),
)
