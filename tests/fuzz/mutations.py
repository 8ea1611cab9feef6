"""Seeded damage to files: to their bytes, to their text, to what their JSON says, and to the members of archives."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any

Mutation = Callable[[bytes, Random], bytes]
ODD_INTEGERS = (0, 1, -1, 127, 255, 256, 65535, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, 2**64)
ODD_VALUES: tuple[Any, ...] = (
    None, True, [], {}, "", "x", [[]], [None], {"a": None}, 0, -1, 3, 1.5, 2**31, 2**53, 2**63, 10**40, 1e308, -0.0,
    float("nan"), float("inf"), "../../etc/hostname", "/dev/zero", "a\0b", "\ud800", "é" * 300, "x" * 100_000,
    list(range(3000)), ["x"] * 3000,
)  # fmt: skip
ODD_WORDS = (
    "[", "]", "{", "}", '"', "'", ",", "=", "#", "\n", "\r", "\0", "\t", "..", "nan", "inf", "1e999", "-", "0x10",
    "1_0", "true", "[[pass]]", "[source]", "[vars]", "${x}", "${name}", "\ufeff", "\u2028", "\ud7ff", "🐍", "a." * 300,
    "[" * 3000, "{a=" * 500, "9" * 5000, '"""', "é", "%s", "[bold]",
    "\u0661", "1_000", '"' + "x,\n" * 70_000, "," * 20_000, "\x1b[2J", "half \udc80",
    "${share}" * 50_000, '"""' + "${share}" * 50_000 + '"""', "0x" + "f" * 9000, "\x1b[31m", '"\\u001b[2J\\r"',
    "1979-05-27", "a" + " " * 50_000 + ".b", "[a.", "{a.b=" * 40, 'extends = "."', 'extends = "/dev/zero"',
    '"~\\u0000/x"', '"' + "x" * 300 + '"', "re:" + "(" * 3000, "<= 1" + " " * 50_000 + "x",
)  # fmt: skip
ODD_NUMBERS = (0, 1, -1, 2, 3, 127, 255, 256, 65535, 2**24, 2**31 - 1, -(2**31))
ODD_FLOATS = (0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"))
MOST_CHANGES = 4


def damage(content: bytes, random: Random) -> bytes:
    """Flip, cut, double, fill or exchange some bytes, a few times over."""
    for _ in range(random.randint(1, MOST_CHANGES)):
        content = random.choice(BYTE_CHANGES)(content, random)
    return content


def flip(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content) or 1)
    return content[:at] + bytes([random.randrange(256)]) + content[at + 1 :]


def cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def drop(content: bytes, random: Random) -> bytes:
    start, stop = span(content, random)
    return content[:start] + content[stop:]


def double(content: bytes, random: Random) -> bytes:
    start, stop = span(content, random)
    return content[:stop] + content[start:stop] * random.choice((1, 2, 50)) + content[stop:]


def fill(content: bytes, random: Random) -> bytes:
    start, stop = span(content, random)
    return content[:start] + bytes([random.choice((0, 255, 32))]) * (stop - start) + content[stop:]


def exchange(content: bytes, random: Random) -> bytes:
    start, stop = span(content, random)
    at = random.randrange(len(content) + 1)
    return content[:at] + content[start:stop] + content[at + stop - start :]


def number(content: bytes, random: Random) -> bytes:
    """Write an odd integer over four or eight bytes."""
    size, form = random.choice(((4, "<I"), (8, "<Q"), (2, "<H"), (4, ">I")))
    at = random.randrange(len(content) + 1)
    odd = random.choice(ODD_INTEGERS) % (1 << (8 * size))
    return content[:at] + struct.pack(form, odd) + content[at + size :]


def span(content: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, min(len(content), start + random.choice((1, 2, 4, 16, 64, 400)))


BYTE_CHANGES: tuple[Mutation, ...] = (flip, flip, cut, drop, double, fill, exchange, number, number)


def text(content: bytes, random: Random) -> bytes:
    """Change lines and words of text; now and then its bytes."""
    if random.random() < 0.15:
        return damage(content, random)
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    for _ in range(random.randint(1, MOST_CHANGES)):
        random.choice((word, word, value, without_line, twice, moved))(lines, random)
    found = "\n".join(lines)
    try:
        return found.encode(random.choice(("utf-8",) * 8 + ("utf-16", "latin-1")), "surrogateescape")
    except UnicodeEncodeError:
        return found.encode("utf-8", "replace")


def word(lines: list[str], random: Random) -> None:
    at = random.randrange(len(lines))
    place = random.randrange(len(lines[at]) + 1)
    lines[at] = lines[at][:place] + random.choice(ODD_WORDS) + lines[at][place:]


def value(lines: list[str], random: Random) -> None:
    """Put another value behind an equals sign, or into one cell."""
    at = random.randrange(len(lines))
    head, mark, _ = lines[at].partition(random.choice(("=", ",", "\t", ":")))
    odd = random.choice(ODD_VALUES)
    lines[at] = head + mark + (json.dumps(odd) if random.random() < 0.7 else str(odd).replace("\ud800", "?"))


def without_line(lines: list[str], random: Random) -> None:
    if len(lines) > 1:
        del lines[random.randrange(len(lines))]


def twice(lines: list[str], random: Random) -> None:
    at = random.randrange(len(lines))
    lines[at:at] = [lines[at]] * random.choice((1, 2, 500))


def moved(lines: list[str], random: Random) -> None:
    line = lines.pop(random.randrange(len(lines)))
    lines.insert(random.randrange(len(lines) + 1), line)


def table(content: bytes, random: Random) -> bytes:
    """Change what JSON says; now and then its bytes."""
    if random.random() < 0.15:
        return damage(content, random)
    found = json.loads(content)
    for _ in range(random.randint(1, MOST_CHANGES)):
        found = changed(found, random)
    deep = b"[" * random.choice((300, 900, 100_000)) if random.random() < 0.05 else b""
    told = json.dumps(found).encode(random.choice(("utf-8",) * 9 + ("utf-16",)))
    return told.replace(b"[", deep, 1) if deep else told


def changed(found: Any, random: Random) -> Any:
    """Go down to a random place, and put something odd there."""
    if not isinstance(found, dict | list) or not found or random.random() < 0.12:
        return deepcopy(random.choice(ODD_VALUES))
    key = random.choice(list(found) if isinstance(found, dict) else range(len(found)))
    match random.randrange(12):
        case 0:
            del found[key]
        case 1 if isinstance(found, dict):
            found[str(random.choice(ODD_VALUES))[:2000]] = deepcopy(found[key])
        case 1:
            assert isinstance(found, list)
            found.append(deepcopy(found[key]))
        case 2:
            found[key] = [found[key]]
        case 3:
            found[key] = deepcopy(random.choice(list(found.values()) if isinstance(found, dict) else found))
        case _:
            found[key] = changed(found[key], random)
    return found


def archive(within: Mutation) -> Mutation:
    """Change one member of a zip and write a sound archive again, or damage the archive itself."""

    def mutate(content: bytes, random: Random) -> bytes:
        if random.random() < 0.3:
            return random.choice((damage, listing))(content, random)
        with zipfile.ZipFile(io.BytesIO(content)) as given:
            members = [(name, given.read(name)) for name in given.namelist()]
        at = random.randrange(len(members))
        name, held = members[at]
        match random.randrange(10):
            case 0:
                del members[at]
            case 1:
                members[at] = (str(random.choice(ODD_VALUES))[:60].replace("\ud800", "?") or "x", held)
            case 2:
                members += [(f"extra-{index}", b"") for index in range(random.choice((1, 3000)))]
            case 3:
                members[at] = (name, members[random.randrange(len(members))][1])
            case _:
                members[at] = (name, (within if is_json(held) or within is not table else damage)(held, random))
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as made:
            for each, body in members:
                made.writestr(each, body)
        return stream.getvalue()

    return mutate


def listing(content: bytes, random: Random) -> bytes:
    """Write odd integers over the fields of members in an archive's list, or of their own heads."""
    mark, fields = random.choice(MEMBER_FIELDS)
    places = [at for at in range(len(content)) if content.startswith(mark, at)]
    if not places:
        return damage(content, random)
    for _ in range(random.randint(1, MOST_CHANGES)):
        offset, form = random.choice(fields)
        at = random.choice(places) + offset
        odd = random.choice(ODD_INTEGERS) % (1 << (8 * struct.calcsize(form)))
        content = content[:at] + struct.pack(form, odd) + content[at + struct.calcsize(form) :]
    return content


# Flags, method, checksum, both sizes, the name's length; and in the list where a member begins.
MEMBER_FIELDS = (
    (b"PK\x03\x04", ((6, "<H"), (8, "<H"), (14, "<I"), (18, "<I"), (22, "<I"), (26, "<H"), (28, "<H"))),
    (b"PK\x01\x02", ((8, "<H"), (10, "<H"), (16, "<I"), (20, "<I"), (24, "<I"), (28, "<H"), (42, "<I"))),
    (b"PK\x05\x06", ((8, "<H"), (10, "<H"), (12, "<I"), (16, "<I"), (20, "<H"))),
)


def packed(content: bytes, random: Random) -> bytes:
    """Damage what is packed by gzip, or the packing."""
    if random.random() < 0.5:
        return damage(content, random)
    return gzip.compress(damage(gzip.decompress(content), random) + bytes(random.choice((0, 0, 80 << 20))))


def is_json(content: bytes) -> bool:
    return content[:1] in (b"{", b"[")


def array(content: bytes, random: Random) -> bytes:
    """Change the header of an .npy, which says type, order and shape as a Python literal, or its bytes."""
    if content[:6] != b"\x93NUMPY" or random.random() < 0.3:
        return damage(content, random)
    length = int.from_bytes(content[8:10], "little")
    header, body = content[10 : 10 + length].decode("latin-1"), content[10 + length :]
    odd = random.choice(ODD_HEADERS)
    for old in ("'descr': '", "'shape': (", "'fortran_order': False"):
        if random.random() < 0.4:
            at = header.find(old) + len(old)
            header = header[:at] + odd + header[at + random.choice((0, 1, 3)) :]
    if random.random() < 0.2:
        header = odd
    encoded = header.encode("utf-8", "replace")[:65535]
    return content[:8] + len(encoded).to_bytes(2, "little") + encoded + body


ODD_HEADERS = (
    "|O", "<U1000000", "<f8", "|V8", "<M8[s]", ">i2",
    "<U999999999", "<f3", "(2,3)f8", "i4,i4", "99999999999, ", "-1, ", "2**40, ", "1e9, ", "True, ", "None, ",
    "()" * 200, "(" * 500, "{" * 300, "-" * 500 + "1", "[(" * 100, "'a', " * 3000, "lambda: 0", "9" * 5000, "\0", "",
    "[('a', '<f4'), ('b', '<f4')]", "0, ", "1, " * 60,
)  # fmt: skip


def safetensors(content: bytes, random: Random) -> bytes:
    """Change the header, which is JSON behind its length, or the bytes."""
    length = int.from_bytes(content[:8], "little")
    if random.random() < 0.25:
        return damage(content, random)
    header = table(content[8 : 8 + length], random)
    told = random.choice((len(header),) * 6 + (0, 2**40, 2**63, len(header) + 1))
    return told.to_bytes(8, "little") + header + content[8 + length :]


def tflite(content: bytes, random: Random) -> bytes:
    """Change what the tables of a .tflite say and write them anew, or its bytes."""
    import flatbuffers

    from tinyc.tflite.read.schema import schema

    if random.random() < 0.4:
        return damage(content, random)
    made = schema().ModelT.InitFromObj(schema().Model.GetRootAs(content, 0))
    for _ in range(random.randint(1, MOST_CHANGES)):
        holder, name = random.choice(list(fields(made)))
        setattr(holder, name, other(getattr(holder, name), random))
    builder = flatbuffers.Builder(1024)
    try:
        builder.Finish(made.Pack(builder), b"TFL3")
    except Exception:  # what no file can say
        return damage(content, random)
    return bytes(builder.Output())


def fields(table: Any) -> Iterator[tuple[Any, str]]:
    """Every field of a table and of those in it, but for the bytes of buffers."""
    for name, held in vars(table).items():
        if name != "data":
            yield table, name
        for each in held if isinstance(held, list) else [held]:
            if hasattr(each, "__dict__"):
                yield from fields(each)


def other(held: Any, random: Random) -> Any:
    """Something else of the same kind."""
    if isinstance(held, bool):
        return not held
    if isinstance(held, int):
        return random.choice(ODD_NUMBERS)
    if isinstance(held, float):
        return random.choice(ODD_FLOATS)
    return others(list(held), random) if isinstance(held, list) or bool(getattr(held, "ndim", 0)) else None


def others(kept: list[Any], random: Random) -> list[Any]:
    """Leave one out, double one, exchange one, or put them in another order."""
    match random.randrange(4):
        case 0:
            del kept[:1]
        case 1:
            kept += kept[:1]
        case 2 if kept and not hasattr(kept[0], "__dict__"):
            odd = ODD_FLOATS if isinstance(kept[0], float) else ODD_NUMBERS
            kept[random.randrange(len(kept))] = random.choice(odd)
        case _:
            random.shuffle(kept)
    return kept


def job(content: bytes, random: Random) -> bytes:
    """Change the header of a federated job, which is JSON behind its length, its architecture, or the weights."""
    length = int.from_bytes(content[:8], "big")
    header, network = content[8 : 8 + length], content[8 + length :]
    match random.randrange(10):
        case 0 | 1 | 2:
            header = architecture(header, random)
        case 3 | 4:
            network = safetensors(network, random)
        case _:
            header = table(header, random)
    return len(header).to_bytes(8, "big") + header + network


def architecture(header: bytes, random: Random) -> bytes:
    """Change the table of a network that is a text within the header."""
    given = json.loads(header)
    given["architecture"] = table(given["architecture"].encode(), random).decode("utf-8", "replace")
    return json.dumps(given).encode()


def hdf5(content: bytes, random: Random) -> bytes:
    """Change the configuration of a network, or the bytes of the file."""
    import h5py

    if random.random() < 0.4:
        return damage(content, random)
    stream = io.BytesIO(content)
    with h5py.File(stream, "a") as file:
        given = file.attrs["model_config"]
        told = table(given if isinstance(given, bytes) else given.encode(), random).replace(b"\0", b"?")
        # Attributes beyond 64 KiB do not fit into HDF5's headers.
        file.attrs["model_config"] = told[: 60 << 10].decode("utf-8", "replace")
    return stream.getvalue()
