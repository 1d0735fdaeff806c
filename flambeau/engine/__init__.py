"""Runs what was recorded: flush, tiering and the interpreter."""
