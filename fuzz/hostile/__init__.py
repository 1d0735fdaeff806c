"""The known attacks on files that hold models, each as a file and what is to come of it."""

from __future__ import annotations

from dataclasses import dataclass

COMMAND = "echo executed > executed-by-a-hostile-file"


@dataclass(frozen=True)
class Attack:
    """One hostile file.

    `refusal` is a pattern that the error's text has; None for a file that is harmless data and
    loads. `whole` is the same for `weights_only=False`, where that differs.
    """

    name: str
    data: bytes
    refusal: str | None
    whole: str | None = ""

    @property
    def refusal_of_whole(self) -> str | None:
        return self.refusal if self.whole == "" else self.whole
