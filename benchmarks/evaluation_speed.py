"""Measure int8 evaluation: the worker pool against a one-at-a-time loop over a single-threaded `tf.lite.Interpreter`.

Run it as `python benchmarks/evaluation_speed.py`. The network is an untrained ResNet-8 in int8, the images are the
4,000 embedded test images. Two loops stand beside the pool: TensorFlow's interpreter as it comes, and the same with the
kernels that tflite-runtime uses for int8 (TensorFlow 2.19 brings newer XNNPACK kernels, which tflite-runtime 2.14 does
not have). The rounds alternate, and the best of each counts, so that other load on the machine touches all alike.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinyc.network import backend
from tinyc.quantization.convert import to_int8_tflite
from tinyc.tflite.read.flatbuffer import describe
from tinyc.tflite.read.quantization import quantize
from tinyc.tflite.run.pool import Pool

ROOT = Path(__file__).resolve().parents[1]
WORKERS = 2
ROUNDS = 5


def artifact(images: Any) -> bytes:
    """Convert an untrained ResNet-8 to int8."""
    sys.path.insert(0, str(ROOT))
    from models.resnet import resnet8

    backend.seed_everything(1)
    return to_int8_tflite(resnet8((28, 28, 1), 10), images[:64])


def one_at_a_time(content: bytes, images: Any, resolver: str) -> Callable[[], Any]:
    """Give a loop over one single-threaded `tf.lite.Interpreter`, quantization included."""
    lite = backend.tensorflow().lite
    kind = getattr(lite.experimental.OpResolverType, resolver)
    interpreter = lite.Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    tensor = describe(content).inputs[0]

    def loop() -> Any:
        results = []
        for image in quantize(images, tensor):
            interpreter.set_tensor(given, image[None])
            interpreter.invoke()
            results.append(interpreter.get_tensor(made)[0])
        return np.stack(results)

    return loop


def clock(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Print images a second for the pool and for both loops, and the workers' start."""
    with np.load(ROOT / "tinyc" / "data" / "embedded" / "fashion-mnist.npz") as arrays:
        images = arrays["x_test"].reshape(-1, 28, 28, 1).astype(np.float32) / 255
    content = artifact(images)
    with Pool(WORKERS) as pool:
        start = clock(pool.start)
        ways = {
            f"pool, {WORKERS} workers": lambda: pool.run(content, images, "fast"),
            "tf.lite.Interpreter loop": one_at_a_time(content, images, "AUTO"),
            "tf.lite.Interpreter loop, kernels of tflite-runtime": one_at_a_time(
                content, images, "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
            ),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, work in ways.items():
                seconds[name].append(clock(work))
        version = pool.run(content, images[:1], "fast").runtime
    best = {name: min(found) for name, found in seconds.items()}
    pooled = next(iter(best.values()))
    print(f"{len(images)} images, ResNet-8 int8 of {len(content)} bytes, {version}; workers' start {start:.2f} s")
    for name, found in best.items():
        print(f"{name:52} {len(images) / found:8.0f} images/s   pool is {found / pooled:5.2f} times as fast")


if __name__ == "__main__":
    main()
