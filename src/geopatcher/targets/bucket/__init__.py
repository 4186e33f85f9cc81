"""Results in a bucket: for zarr, blocks that are put once, a ledger of objects, a lease, ``zarr.json`` last.

Beside ``s3://bucket/x.zarr`` there are ``x.zarr.lock``, the lease of the run that writes it, and
``x.zarr.ledger/RUN/NUMBER``, a line of the ledger each, all put only where there is none.

``s3://bucket/x.tif`` is built on this machine and sent when it is complete, then its ledger, whole.
"""
