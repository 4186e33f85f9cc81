"""Patches as Dask tasks and bags, for a graph of your own; needs the extra ``dask``.

To stitch a whole raster on a cluster, `geopatcher.reconstruct` with `geopatcher.executors.DaskExecutor` reads
less twice, and holds less.
"""

from geopatcher.api.dask_tasks import to_dask_bag, to_delayed

__all__ = ["to_dask_bag", "to_delayed"]
