"""The ledger: what of a result is finished, on disk, beside it.

A result is built in ``NAME.partial/run-TOKEN/``, a folder of its run and of no other, and renamed to
``NAME`` when it is complete. Its ledger is ``ledger.jsonl`` in that folder while it is built and
``NAME.ledger.jsonl`` afterwards: a header with the fingerprint of the run and the kind of its result, a
line per finished row of blocks of a region with what its files hold, lines about the other files of the
result, and a last line when it is complete. Every line has a checksum. While a run lives,
``NAME.lock`` is locked.

What is promised:

- A line is written after the blocks it tells of, so what it says holds after the death of the process,
  at any instant. Blocks are synced to the disk every half minute, and a line says so; each session notes
  which start of the system it runs under. After the system went down, rows that had not been synced
  are computed again. This happens in a thread behind the writer. What replaces something is on the disk
  before that goes, however short the run was.
- A result that is there under its name is complete (but for patches left out by ``on_error``).
- A run that goes on gives the same bytes as one that was never interrupted, provided that the operator's
  result for a patch does not depend on the patches it shares a batch with, nor on how many threads a
  library uses. The latter is the case for NumPy's own arithmetic, GDAL and codecs, and need not be for
  BLAS, PyTorch and their like, in the last bit: the header has the number of threads each process was
  given, and the workers of a run that goes on get as many.
- Workers that outlive their run write nothing into the next one: a run that goes on where another stopped
  renames the folder of that one to its own name, in one step, and begins another file for the
  ledger; others remove it. No writer makes the folder it writes into.
- The size, the CRC-32 and the time of each file are known. Files of another size, or of another time and
  other bytes, are noticed before a finished result is returned or a run goes on; `geopatcher.verify`
  reads all of them. Blocks that are gone or cannot be decoded are computed again. What can be decoded and
  is not what was written may have been meant, and is refused.
- A run may go on in another way: with another memory limit, batch size or number of workers, here or on a
  cluster. The header says how it was begun, and one that goes on with other batches says so.
- Patches that failed and were left out are told of in the lines of the rows they touch; the next
  run with the same fingerprint does those rows again, on a copy beside the result.
- A row is written down after its source was found to be what it was when the run began; a source that
  changes while it is read ends the run with a `SourceError`, and nothing is published.
- Where it cannot be known whether operator or source are the same as those of an earlier run, nothing of
  that is used, unless ``resume="always"`` says that they are.
"""
