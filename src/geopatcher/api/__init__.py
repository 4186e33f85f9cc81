"""What people call: reconstruct, plan, split, merge, export, verify, and the patcher."""
