"""Lowerings: what rows are in primitives of the compiler's graph. One module a family.

A lowering gets the graph's builder `b`, then a node for each input (None where none is given), then
the static parameters, in the order of the signature. It returns the result's node, a tuple of them
for several results, or None where it does not apply: then the NumPy reference is called.
"""
