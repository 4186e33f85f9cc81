"""Does a model wait? A run, against a loop that does nothing but call the model with the same batches.

    python -m benchmarks.waiting [--rounds 7] [--side 2048] [--only CASE ...]

Each case is a fresh interpreter with a network of convolutions in onnxruntime: four bands of uint16 in, one
band or some classes out, patches of 256 with step 128 in batches of 8, from a GeoTIFF to zarr. In each round
the loop, the run and the loop again take turns; its ratio is the run over the mean of the two loops.
*Waits* is how long the run let its model wait between the end of a call and the begin of the next, as a
share of the rest.
*Cores* is how many the model itself may use: where it uses all there are, nothing else has one to itself, and
what is read, blended and written adds to the time whatever overlaps. The result goes to
``benchmarks/results/waiting.md``. Needs ``onnx`` and ``onnxruntime``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import rasterio
from affine import Affine
from onnx import TensorProto, helper, numpy_helper

import geopatcher
from benchmarks import catalog, children

SIZE, STEP, BATCH, BANDS = 256, 128, 8, 4
RESULT = catalog.RESULTS / "waiting.md"


@dataclass(frozen=True)
class Case:
    """A network of so many features in each of its layers, and how many cores it may use."""

    name: str
    outputs: int
    features: int
    cores: int


CASES = (
    Case("one band, one core", 1, 24, 1),
    Case("one band, all cores", 1, 40, os.cpu_count() or 1),
    Case("3 classes, one core", 3, 24, 1),
    Case("10 classes, one core", 10, 24, 1),
    Case("10 classes, all cores", 10, 40, os.cpu_count() or 1),
)


def write_network(path: Path, outputs: int, features: int, layers: int = 3) -> None:
    """Write convolutions of 3 x 3 with a softmax at their end, of random weights."""
    random = np.random.default_rng(0)
    nodes, weights = [], []

    def convolution(given: str, made: str, n_given: int, n_made: int, side: int) -> None:
        kernel = (random.standard_normal((n_made, n_given, side, side)) * 0.1).astype("float32")
        weights.append(numpy_helper.from_array(kernel, f"{made}-weights"))
        nodes.append(helper.make_node("Conv", [given, f"{made}-weights"], [made], pads=[side // 2] * 4))

    convolution("x", "layer0", BANDS, features, 3)
    for layer in range(layers):
        nodes.append(helper.make_node("Relu", [f"layer{layer}"], [f"relu{layer}"]))
        convolution(f"relu{layer}", f"layer{layer + 1}", features, features, 3)
    convolution(f"layer{layers}", "logits", features, outputs, 1)
    nodes.append(helper.make_node("Softmax" if outputs > 1 else "Sigmoid", ["logits"], ["y"]))
    if outputs > 1:
        nodes[-1].attribute.append(helper.make_attribute("axis", 1))
    axes = ["n", "h", "w"]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [axes[0], BANDS, *axes[1:]])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [axes[0], outputs, *axes[1:]])
    graph = helper.make_graph(nodes, "network", [given], [made], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)


def write_scene(path: Path, side: int) -> None:
    """Write what looks like reflectances."""
    profile = {"driver": "GTiff", "count": BANDS, "height": side, "width": side, "dtype": "uint16"}
    profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    coarse = np.random.default_rng(0).random((BANDS, side // 32, side // 32)) * 3000
    pixels = np.kron(coarse, np.ones((32, 32))) + np.random.default_rng(1).random((BANDS, side, side)) * 200
    with rasterio.open(path, "w", transform=Affine(10, 0, 5e5, 0, -10, 5e6), **profile) as out:
        out.write(pixels.astype("uint16"))


def measure(case: Case, rounds: int, side: int, folder: Path) -> dict[str, object]:
    """Run a case in this process."""
    scene, target = folder / "scene.tif", folder / "out.zarr"
    write_scene(scene, side)
    write_network(folder / "network.onnx", case.outputs, case.features)
    model = geopatcher.Model(folder / "network.onnx", scale=1e-4)
    batches: list[np.ndarray] = []

    def run(operator: object) -> float:
        started = time.perf_counter()
        geopatcher.reconstruct(
            scene, operator, target, size=SIZE, step=STEP, batch_size=BATCH, overwrite=True, progress=False
        )
        return time.perf_counter() - started

    def loop() -> float:
        started = time.perf_counter()
        for batch in batches:
            model(batch)
        return time.perf_counter() - started

    gaps: list[float] = []
    ended = 0.0

    def timed(batch: np.ndarray) -> np.ndarray:
        nonlocal ended
        gaps.append(time.perf_counter() - ended)
        made = model(batch)
        ended = time.perf_counter()
        return made

    def waited() -> tuple[float, float]:
        """Return how long a run took, and how much of that its model waited between two of its calls."""
        gaps.clear()
        seconds = run(timed)
        return seconds, sum(gaps[1:])

    def noted(batch: np.ndarray) -> np.ndarray:
        batches.append(batch.copy())
        return model(batch)

    run(noted)
    loop()
    seconds = [(loop(), *waited(), loop()) for _ in range(rounds)]
    return {
        "patches": sum(map(len, batches)),
        "calls": len(batches),
        "loops": [(before + after) / 2 for before, *_, after in seconds],
        "runs": [middle for _, middle, *_ in seconds],
        "waits": [waits / (middle - waits) for _, middle, waits, _ in seconds],
    }


def line(case: Case, found: dict[str, list[float]]) -> str:
    """Return a line of the table."""
    ratios = [run / loop for run, loop in zip(found["runs"], found["loops"], strict=True)]
    loop, run = statistics.median(found["loops"]), statistics.median(found["runs"])
    patch_ms = loop / found["patches"] * 1e3
    return (
        f"| {case.name} | {case.cores} | {found['patches']} in {found['calls']} | {patch_ms:.0f} | "
        f"{loop:.1f} | "
        f"{run:.1f} | {statistics.median(ratios):.3f} | {min(ratios):.2f} to {max(ratios):.2f} | "
        f"{statistics.median(found['waits']):.1%} |"
    )


def main() -> None:
    """Run the cases and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--only", nargs="+", default=[case.name for case in CASES])
    parser.add_argument("--here", help="run this case in this process")
    chosen = parser.parse_args()
    cases = {case.name: case for case in CASES}
    if chosen.here:
        warnings.simplefilter("ignore")
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(cases[chosen.here], chosen.rounds, chosen.side, Path(folder))))
        return
    lines = [
        "| model | cores | patches | ms per patch | loop, s | run, s | ratio | from, to | waits |",
        "|---|---:|---:|---:|---:|---:|---:|---|---:|",
    ]
    shared = ["--rounds", str(chosen.rounds), "--side", str(chosen.side)]
    for name in chosen.only:
        ended = subprocess.run(
            [sys.executable, "-m", "benchmarks.waiting", "--here", name, *shared],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=catalog.ROOT,
            env=children.environment() | {"OMP_NUM_THREADS": str(cases[name].cores)},
        )
        lines.append(line(cases[name], json.loads(ended.stdout)))
        print(lines[-1], flush=True)
    if chosen.only == list(cases):
        load = (
            f"`--rounds {chosen.rounds} --side {chosen.side}`; load of the machine at the end, of "
            f"{os.cpu_count()} cores: {os.getloadavg()[1]:.1f}."
        )
        text = "# Does a model wait?\n\n" + (__doc__ or "").split("\n\n", 1)[1]
        RESULT.write_text("\n".join([text, *lines, "", load, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
