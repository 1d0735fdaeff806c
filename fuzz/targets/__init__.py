"""One module a parser. A target module has

- `run(data: bytes) -> None`: gives the data to the parser. It is called thousands of times a
  second in one process: no files on disk, no other processes;
- `ALLOWED`: the exceptions that the parser's documentation promises for bad data;
- `INSTRUMENT`: names of the modules (with what is in them) whose coverage guides the fuzzer;

and may have

- `MAX_LENGTH`: the longest input in bytes (4096 without it);
- `DICTIONARY`: byte strings to splice in, such as names and magic numbers;
- `seeds() -> Iterable[bytes]`: inputs to begin with, besides the files in the seed folder;
- `mutate(data, max_size, random, plain) -> bytes`: a mutation that knows the form, such as one
  that repairs checksums and lengths; `plain(data, max_size)` mutates bytes.

Modules whose names begin with an underscore are for targets to share.
"""
