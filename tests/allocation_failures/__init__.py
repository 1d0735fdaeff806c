"""Training steps in which allocations fail on purpose: see `sweep`."""
