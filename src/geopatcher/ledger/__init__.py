"""The ledger: what of a result is finished, on disk, beside it.

A result is built in ``NAME.partial/`` and renamed to ``NAME`` when it is complete. Its ledger is
``ledger.jsonl`` in that folder while it is built and ``NAME.ledger.jsonl`` afterwards: a header with
the fingerprint of the run and the kind of its result, a line per finished row of blocks of a region,
and a last line when it is complete. Every line has a checksum. While a run lives, ``NAME.lock`` is
locked.

What is promised:

- A line is written after the blocks it tells of, so what it says holds after the death of the process,
  at any instant. Blocks are synced to the disk every half minute, and a line says so; each session notes
  which start of the system it runs under. After the system went down, rows that had not been synced
  are computed again. This happens in a thread behind the writer.
- A result that is there under its name is complete (but for patches left out by ``on_error``).
- A run that goes on gives the same bytes as one that was never interrupted, provided that the operator's
  result for a patch does not depend on the patches it shares a batch with.
- Patches that failed and were left out are told of in the lines of the rows they touch; the next
  run with the same fingerprint does those rows again, on a copy beside the result.
- A source that changed while it was read is a `RuntimeWarning` and is written down; the next run then
  finds another fingerprint, and is refused.
"""
