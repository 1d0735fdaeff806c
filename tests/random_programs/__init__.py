"""Random programs against an independent reference: the instrument that guards aliasing and autograd.

    python -m tests.random_programs --seconds 3600 --seed 0

A program is a list of ordinary Python lines over two names, `torch` and `np`. It is written by
`generator`, line by line, while `oracle` (a tiny eager torch on NumPy with explicit storages and
strides, and a scalar tape for gradients) runs it and notes what every read must give. `runner`
then runs the same lines on the framework under test, given as a module, and compares. A program
that differs is cut down by `shrink` and printed as a script that runs on its own.

| file | holds |
| --- | --- |
| `layout.py` | shapes, strides, offsets: pure functions |
| `tape.py` | reverse-mode differentiation, element by element, and the graph of tensors above it |
| `tensor.py` | `Tensor`: memory, views, reads, and the one way to write |
| `rows.py` | what each pointwise operation and reduction computes, its derivative, what it saves |
| `views.py`, `operations.py`, `indexing.py` | the operations |
| `oracle.py` | the tiny torch that they make up |
| `generator.py` | random lines that make sense |
| `runner.py` | running lines on a module, snapshots, comparison |
| `tiers.py` | programs through the compiled tier, in several ways |
| `shrink.py` | delta debugging |
"""
