"""What a run is: its session, its fingerprint, its ledger, and what is found of an earlier one."""
