"""The recorded graph: values, the pending trace, and the programs that a flush captures."""
