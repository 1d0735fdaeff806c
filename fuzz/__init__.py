"""Fuzzing of everything in flambeau that reads a file or bytes from elsewhere.

    python -m fuzz --target all --seconds 600      every parser, ten minutes each
    python -m fuzz --list                          what there is
    python -m fuzz.hostile_files FOLDER            the known attacks, as files

A target is a module in `fuzz/targets` (see there), its seeds are the files in
`fuzz/seeds/<target>`. With atheris installed (`pip install -e '.[fuzz]'`) inputs are guided by the
coverage of the modules that the target names; without it they are mutations of the seeds.
"""
