"""What a run will take, its result on disk, exported and verified; seams and reports."""

from pathlib import Path

import numpy as np

import geopatcher
from geopatcher import Box, CogStorage, MemoryLimitError, Plan, SpatialHann, Verification, ZarrStorage
from geopatcher.executors import LocalExecutor, ProcessExecutor


def report(plan: Plan) -> str:
    return f"{plan.n_patches} patches, {plan.memory_bytes / 1e6:.0f} MB, overlap {plan.overlap:.0%}"


def main() -> None:
    image = np.random.default_rng(3).random((3, 80, 100)).astype("float32")
    plan = geopatcher.plan(image, size=32, step=16, memory_limit="512MiB", region=Box(0, 64, 0, 64))
    print(report(plan), plan.domain.shape)
    try:
        geopatcher.plan(image, size=32, workers=2)
    except MemoryLimitError as error:
        print(error)

    result = geopatcher.reconstruct(
        image,
        np.sqrt,
        Path("roots.zarr"),
        size=(32, 32),
        window=SpatialHann(),
        executor=LocalExecutor(),
        memory_limit=1 << 30,
        chunks=(32, 32),
        nodata=-1,
        on_error="retry",
        max_retries=2,
        retry_on=(OSError,),
        storage=ZarrStorage(multiscales=True, overview="average", checksum=True),
        resume="always",
    )
    path = geopatcher.export("roots.zarr", "roots.tif", storage=CogStorage(compress="deflate"))
    print(Path(path).stat().st_size > 0)
    checked: Verification = geopatcher.verify("roots.zarr")
    print(checked.is_intact, result.array[0, :4, :4].mean(), result.quicklook().shape)
    seams = geopatcher.measure_seams(result)
    print([str(one) for one in seams][:1])
    print(ProcessExecutor(2))


if __name__ == "__main__":
    main()
