"""Files of the host that hold images."""

from __future__ import annotations

import io
import os
import stat

from gate.errors import Unavailable


class HostFile(io.FileIO):
    """A file opened for reading without waiting: a pipe could block, and never end.

    Raises `OSError` where it cannot be opened. A read that fails later, of a disk or a network, is `Unavailable`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, "rb", opener=_open_at_once)

    @property
    def regular(self) -> bool:
        """Whether it is a plain file."""
        return stat.S_ISREG(os.fstat(self.fileno()).st_mode)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes."""
        try:
            return super().read(size)
        except OSError as error:
            raise Unavailable(f"{str(self.name)!r} cannot be read: {error.strerror}") from None


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe, and not for programs started later."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
