"""How much of the store is taken. Pure.

Bytes are reserved before they are written, so that many files that arrive at once cannot
together pass the cap that each of them keeps.
"""

from __future__ import annotations

__all__ = ["Quota"]


class Quota:
    """Counts bytes on the disk and bytes on their way there.

    Args:
        max_bytes: Cap of both together.
        stored_bytes: On the disk already.

    Attributes:
        max_bytes: May be changed at any time; what is stored then stays.
        stored_bytes: On the disk.
        reserved_bytes: On their way.
    """

    __slots__ = ("max_bytes", "reserved_bytes", "stored_bytes")

    def __init__(self, max_bytes: int, stored_bytes: int = 0) -> None:
        self.max_bytes = max_bytes
        self.stored_bytes = stored_bytes
        self.reserved_bytes = 0

    def reserve(self, n_bytes: int) -> bool:
        """Take room for `n_bytes` more; False, and nothing taken, if there is none."""
        if self.stored_bytes + self.reserved_bytes + n_bytes > self.max_bytes:
            return False
        self.reserved_bytes += n_bytes
        return True

    def keep(self, n_bytes: int) -> None:
        """What was reserved is on the disk now."""
        self.reserved_bytes -= n_bytes
        self.stored_bytes += n_bytes

    def give_back(self, n_bytes: int) -> None:
        """What was reserved is not needed."""
        self.reserved_bytes -= n_bytes

    def free(self, n_bytes: int) -> None:
        """What was on the disk is gone."""
        self.stored_bytes -= n_bytes
