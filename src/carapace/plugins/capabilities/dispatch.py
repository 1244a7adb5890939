"""From a function's name and plain arguments to a method with typed ones, by an explicit table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import msgspec

from carapace.errors import Failed, Refused
from carapace.plugins.capabilities.codes import Code, guest_error, of_gateway_error
from carapace.plugins.errors import GuestError
from carapace.telemetry.log import get_logger
from carapace.value import Value

__all__ = ["Dispatch", "Operation"]

_log = get_logger(__name__)


class Operation(Value, frozen=True):
    """One function of an interface.

    Attributes:
        arguments: Type of all arguments together, e.g. `tuple[str, int | None]`.
        run: Called with them; gives a plain value, a struct, or a list of either.
    """

    arguments: Any
    run: Callable[..., Awaitable[Any]]


class Dispatch:
    """The functions of one interface for one plugin; satisfies `CapabilityCall`.

    Args:
        interface: Its name, for the log.
        operations: By name, as the contract writes it (`compare-and-set`).
    """

    __slots__ = ("_interface", "_operations")

    def __init__(self, interface: str, operations: Mapping[str, Operation]) -> None:
        self._interface = interface
        self._operations = dict(operations)

    @property
    def functions(self) -> frozenset[str]:
        """Names of all functions."""
        return frozenset(self._operations)

    async def __call__(self, function: str, arguments: list[Any]) -> Any:
        """Call one function.

        Returns:
            Plain values, as they travel to the plugin's process.

        Raises:
            GuestError: If it did not work, whatever the reason.
        """
        operation = self._operations.get(function)
        if operation is None:
            raise guest_error(
                Code.INVALID_ARGUMENT, f"{self._interface} has no function {function!r}"
            )
        typed = self._typed(function, operation, arguments)
        try:
            return msgspec.to_builtins(await operation.run(*typed))
        except GuestError:
            raise
        except (Refused, Failed) as error:
            raise of_gateway_error(error) from error
        except Exception as error:
            # A fault of ours. Its text may hold anything, so the plugin is not told.
            _log.exception("a capability broke", interface=self._interface, function=function)
            raise guest_error(
                Code.INTERNAL, f"{self._interface}.{function} failed in the gateway; see its log"
            ) from error

    def _typed(self, function: str, operation: Operation, arguments: list[Any]) -> tuple[Any, ...]:
        try:
            return cast("tuple[Any, ...]", msgspec.convert(arguments, operation.arguments))
        except msgspec.ValidationError as error:
            raise guest_error(
                Code.INVALID_ARGUMENT,
                f"{self._interface}.{function} was called with something else than its "
                f"arguments: {error}",
            ) from error
