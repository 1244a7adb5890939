"""One plugin: its component, what it may call, and the instances that run.

All of it belongs to one thread. A fresh instance serves each call and is thrown away; only
`service` lives on, until it traps. Between two calls the next instance is made in advance, for a
guest that needs nobody for its beginning.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from wasmtime import Engine, Store, WasmtimeError
from wasmtime import component as wc

from carapace.plugins.errors import GuestError, GuestTrap
from carapace.plugins.frames import Answer, Call, Load, Loaded
from carapace.plugins.worker.engine import new_store
from carapace.plugins.worker.interfaces import Import, exports_of, imports_of
from carapace.plugins.worker.quirks import forget_exception
from carapace.plugins.worker.running import Deadline, Pollables, RunningCall
from carapace.plugins.worker.traps import trap_of
from carapace.plugins.worker.values import Budget, Signature
from carapace.plugins.worker.wasi import MiniWasi

__all__ = ["Ask", "Guest"]

Ask = Callable[[RunningCall, str, str, list[Any]], Answer]
"""Asks the gateway: interface, function, arguments. Blocks; raises GuestTrap at the deadline."""


_PREPARE_S: Final = 0.1
"""For an instance that is made in advance; a call may take all of its own time for it."""
_MAX_FAULTS: Final = 3
"""So often that may fail before it is left alone."""
_NO_CALL: Final = 0


class _Instance:
    """An instance, the store it lives in, and the functions of it that were called."""

    __slots__ = ("functions", "instance", "pollables", "store")

    def __init__(self, store: Store, instance: wc.Instance, pollables: Pollables) -> None:
        self.store = store
        self.instance = instance
        self.pollables = pollables
        self.functions: dict[tuple[str, str], wc.Func] = {}

    def function(self, export: str, name: str) -> wc.Func:
        key = (export, name)
        if key not in self.functions:
            outer = self.instance.get_export_index(self.store, export)
            index = self.instance.get_export_index(self.store, name, outer)
            found = None if index is None else self.instance.get_func(self.store, index)
            if found is None:
                raise GuestTrap("crash", f"{export} has no function {name}")
            self.functions[key] = found
        return self.functions[key]


class Guest:
    """A loaded plugin.

    Args:
        engine: The one that `component` was made for.
        component: What runs.
        load: What it may have.
        ask: How its host calls reach the gateway.

    Raises:
        GuestError: `IMPORT_REFUSED` or `EXPORT_MISSING`.
        InvalidComponent: If a function has types that cannot cross.
    """

    def __init__(self, engine: Engine, component: wc.Component, load: Load, ask: Ask) -> None:
        self._engine = engine
        self._component = component
        self._limits = load.limits
        self._ask = ask
        self._running: RunningCall | None = None
        self._service: _Instance | None = None
        self._spare: _Instance | None = None
        self._over: _Instance | None = None
        self._faults = 0
        self._is_preparing = False
        self._imports = imports_of(engine, component, load.grants, load.exports)
        self._exports = exports_of(engine, component, load.exports)
        self._linker = self._linked()

    def describe(self, *, is_sealed: bool) -> Loaded:
        """What it wants and offers."""
        imports = tuple(one.name for one in self._imports)
        exports = tuple(one.name for one in self._exports.values())
        return Loaded(imports, exports, is_sealed)

    def run(self, call: Call, running: RunningCall, deadline: Deadline) -> Any:
        """Serve one call, to its end or its deadline; `tidy` once its result is on its way.

        Raises:
            GuestError: What the guest says, or `INVALID_ARGUMENTS` if the call makes no sense.
            GuestTrap: If it was stopped; its instance is gone.
        """
        export, signature, arguments = self._understood(call)
        self._running = running
        forget_exception()
        instance: _Instance | None = None
        is_over = call.instance == "fresh"
        try:
            instance = self._instance(call, running, deadline)
            function = instance.function(export, call.function)
            raw = function(instance.store, *arguments)
            deadline.end()
            return signature.lift_result(raw, Budget(running.value_bytes))
        except GuestError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the library raises, the guest is over
            is_over = True
            raise trap_of(running.stopped or error, running.printed()) from None
        finally:
            deadline.end()
            if is_over and instance is not None:
                self._discard()
                self._over = instance
                if instance is self._service:
                    self._service = None
            self._running = None

    def tidy(self, deadline: Deadline) -> None:
        """Between two calls: let the last instance go, and have one ready for the next."""
        is_wanted = self._over is not None and self._spare is None and self._faults < _MAX_FAULTS
        self._discard()
        if is_wanted:
            self._prepare(deadline)

    def rest(self) -> None:
        """No call comes for a while: keep no instance for it."""
        self._discard()
        self._over, self._spare = self._spare, None
        self._discard()

    def _discard(self) -> None:
        """Give its memory back now; waiting for the collector would keep many."""
        over, self._over = self._over, None
        if over is not None:
            over.store.close()

    def _prepare(self, deadline: Deadline) -> None:
        """Make an instance that waits for its call; if that fails, the call makes its own."""
        running = RunningCall(
            _NO_CALL, time.monotonic() + _PREPARE_S, limits=self._limits, write=_refuse_text
        )
        self._running, self._is_preparing = running, True
        forget_exception()
        try:
            made = self._made(running, deadline)
        except Exception:  # noqa: BLE001 - the call that makes its own will say why it cannot
            self._faults += 1
        else:
            self._spare = made
        finally:
            deadline.end()
            self._running, self._is_preparing = None, False
        if running.printed():
            # What it prints when it begins belongs to a call.
            self._over, self._spare, self._faults = self._spare, None, _MAX_FAULTS
            self._discard()

    def _understood(self, call: Call) -> tuple[str, Signature, list[Any]]:
        export = self._exports.get(call.interface)
        signature = None if export is None else export.functions.get(call.function)
        if export is None or signature is None:
            raise GuestError(
                "UNKNOWN_FUNCTION", f"The plugin does not export {call.interface}.{call.function}."
            )
        try:
            return export.name, signature, signature.lower_arguments(call.arguments)
        except (TypeError, ValueError) as error:
            raise GuestError(
                "INVALID_ARGUMENTS",
                f"{call.interface}.{call.function} cannot take these arguments: {error}.",
            ) from None

    def _instance(self, call: Call, running: RunningCall, deadline: Deadline) -> _Instance:
        """The instance for this call, with the clock running."""
        if call.instance == "service" and self._service is not None:
            running.pollables = self._service.pollables
            deadline.begin(running.deadline_s, self._service.store)
            return self._service
        if self._spare is not None:
            running.pollables = self._spare.pollables
            deadline.begin(running.deadline_s, self._spare.store)
            instance, self._spare = self._spare, None
        else:
            instance = self._made(running, deadline)
        if call.instance == "service":
            self._service = instance
        return instance

    def _made(self, running: RunningCall, deadline: Deadline) -> _Instance:
        """A new instance, with the clock running."""
        store = new_store(self._engine, self._limits)
        deadline.begin(running.deadline_s, store)
        try:
            made = self._linker.instantiate(store, self._component)
        except WasmtimeError:
            store.close()
            raise
        return _Instance(store, made, running.pollables)

    def _linked(self) -> wc.Linker:
        """Everything that it imports, tied to us; it serves every instance."""
        linker = wc.Linker(self._engine)
        wasi = MiniWasi(self._now)
        with linker.root() as root:
            for one in self._imports:
                with root.add_instance(one.name) as instance:
                    for name in one.resources:
                        number = wasi.resource(name)
                        if number is None:
                            raise GuestError(
                                "IMPORT_REFUSED", f"The plugin wants {one.name} with {name}."
                            )
                        kind = wc.ResourceType.host(number)
                        instance.add_resource(name, kind, self._guarded(wasi.drop(name)))
                    for name, of in one.functions.items():
                        body = (
                            wasi.function(one.interface, name)
                            if one.is_wasi
                            else self._asking(one, name, Signature(of))
                        )
                        instance.add_func(name, self._guarded(body))
        return linker

    def _now(self) -> RunningCall:
        if self._running is None:
            raise GuestTrap("crash", "it called while nothing was asked of it")
        return self._running

    def _guarded(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """A function that never lets an exception of its own into the library.

        The library would keep it in a place shared by all calls.
        """

        def call(*arguments: Any) -> Any:
            try:
                return body(*arguments)
            except Exception as error:  # noqa: BLE001 - see above
                stopped = trap_of(error, "")
                if self._running is not None and self._running.stopped is None:
                    self._running.stopped = stopped
                raise WasmtimeError(stopped.text) from None

        return call

    def _asking(self, one: Import, name: str, signature: Signature) -> Callable[..., Any]:
        """A function that the gateway answers."""

        def refuse(_store: Any, *_arguments: Any) -> Any:
            why = f"{one.interface} is not among the plugin's permissions"
            if not signature.has_result:
                raise GuestTrap("crash", why)
            return signature.lower_error(GuestError("NOT_GRANTED", why))

        def ask(_store: Any, *arguments: Any) -> Any:
            running = self._now()
            if self._is_preparing:
                raise GuestTrap("crash", "it asked before it was called")
            given = signature.lift_arguments(arguments, Budget(running.value_bytes))
            running.flush()
            answer = self._ask(running, one.interface, name, given)
            try:
                if answer.err is None:
                    return signature.lower_result(answer.ok)
                return signature.lower_error(answer.err.as_error())
            except (TypeError, ValueError) as error:
                said = answer.err.message if answer.err else str(error)
                raise GuestTrap(
                    "crash", f"the answer to {one.interface}.{name} cannot be given: {said}"
                ) from None

        return ask if one.is_granted else refuse


def _refuse_text(_text: str) -> None:
    raise GuestTrap("output", "it printed before it was called")
