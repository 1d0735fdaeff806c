"""Hostile calls: every operation with arguments that no sane program would give it.

    python -m tests.hostile_calls --calls 100000 --seed 0 --jobs 2

A *subject* is a small valid program (`subjects.py`). `mutation.py` puts hostile values
(`values.py`) in the places of its arguments; the program that results is plain PyTorch, so that it
can be pasted and run. `judge.py` runs it and says what was wrong with how it ended; `worker.py`
does so in a child process under limits, and `__main__.py` looks after the children.
"""
