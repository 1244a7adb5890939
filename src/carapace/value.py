"""What is handed about inside of the house: small frozen records that no wire ever sees.

They are msgspec structs and not dataclasses because a dataclass costs close to a millisecond when
it is defined, and a gateway defines some four hundred before it listens (ADR 0541).
"""

from __future__ import annotations

import msgspec

__all__ = ["Value"]


class Value(msgspec.Struct, frozen=True):
    """The base of such records; a subclass says `frozen=True` again, for its readers.

    `carapace.app.struct_types` leaves them alone: nothing is ever decoded into one by itself.
    """
