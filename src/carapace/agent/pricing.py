"""What tokens cost: whole nano-dollars, so that sums stay exact.

A price is in US dollars for a million tokens of each kind, as vendors and config files
write it. One nano-dollar is 10^-9 dollars: a token at 0.05 dollars a million costs 50.
"""

from __future__ import annotations

from carapace.agent.providers.ports import Usage
from carapace.value import Value

__all__ = ["NANO_USD", "Price", "cost_nano_usd", "nano_usd"]

NANO_USD = 1_000_000_000
_NANO_PER_TOKEN = NANO_USD / 1_000_000


class Price(Value, frozen=True):
    """US dollars for a million tokens of each kind."""

    input: float = 0.0
    output: float = 0.0
    cache_read: float = 0.0
    cache_write: float = 0.0


def cost_nano_usd(usage: Usage, price: Price | None) -> int:
    """What `usage` costs in nano-dollars, rounded up; 0 where the price is unknown."""
    if price is None:
        return 0
    exact = (
        usage.input * price.input
        + usage.output * price.output
        + usage.cache_read * price.cache_read
        + usage.cache_write * price.cache_write
    ) * _NANO_PER_TOKEN
    # A trillionth of slack, so that a float's last digit is not rounded up to a nano-dollar.
    return -int(-(exact - 1e-6) // 1)


def nano_usd(dollars: float) -> int:
    """Dollars in nano-dollars, to the nearest."""
    return round(dollars * NANO_USD)
