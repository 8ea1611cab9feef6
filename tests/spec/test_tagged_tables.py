"""Lists of tables that say by `op` what they are: an error names the key in the recipe, and what is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyc.core.errors import UserError
from tinyc.spec.load import load

RECIPE = """name = "t"
[source]
build = "models/resnet.py:resnet8"
train = {{ epochs = 1 }}
[data]
name = "smartwatch-imu"
prepare = {prepare}
[[pass]]
use = "quantize"
"""


def test_numbers_and_text_name_the_values_of_a_column(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    step = '{ op = "window", length = 128, stride = 64, by = "subject", validation = ["8"], test = [9, "10"] }'
    path.write_text(RECIPE.format(prepare=f"[{step}]"))
    assert load(str(path)).data.steps[0].model_dump()["test"] == ("9", "10")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        ('[{ op = "window", lenght = 8 }]', "data.prepare.1.lenght: unknown key 'lenght'\n  did you mean 'length'"),
        ('[{ op = "window", stride = 4 }]', "data.prepare.1.length: is missing"),
        ('[{ op = "windw", stride = 4 }]', "data.prepare.1.op: unknown op 'windw'\n  did you mean 'window'"),
        ("[{ stride = 4 }]", "data.prepare.1: does not say which op it is"),
        ('[{ op = 5 }]', "data.prepare.1.op: unknown op '5'"),
        ('{ op = "window", length = 8, stride = 4 }', "data.prepare: input should be a valid array"),
        ('{ token = 8 }', "data.prepare.token: unknown key 'token'\n  did you mean 'tokens'"),
        ('[{ op = "window", length = "8", stride = 4 }]', "data.prepare.1.length: input should be a valid integer"),
        ('"window"', "data.prepare: input should be an object (given: 'window')"),
    ],
)  # fmt: skip
def test_refuses(tmp_path: Path, prepare: str, message: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(RECIPE.format(prepare=prepare))
    with pytest.raises(UserError) as caught:
        load(str(path))
    assert f"{path}:7: {message}" in str(caught.value)
