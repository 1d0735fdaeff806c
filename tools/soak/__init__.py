"""An hour of everything in one process, to see that nothing grows: `python -m tools.soak`."""
