"""The ledger: what of a result is finished, on disk, beside it.

A result is built in ``NAME.partial/`` and renamed to ``NAME`` when it is complete. Its ledger is
``ledger.jsonl`` in that folder while it is built and ``NAME.ledger.jsonl`` afterwards.
"""
