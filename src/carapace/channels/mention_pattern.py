r"""Regular expressions over texts of strangers, in time that only grows with their length.

The engine of the standard library tries one way after the other, and a text made for it can
keep it busy for hours. This one walks all ways at once (Thompson's construction, Pike's
simulation; Russ Cox, "Regular Expression Matching Can Be Simple And Fast"). It says whether
there is a match anywhere, upper and lower case alike, and nothing else.

Known: literals, `.`, `[...]`, `( )`, `|`, `? * + {m,n}`, `^ $ \b \B \d \D \w \W \s \S`,
escapes of punctuation, `\t \n \r`. A leading `(?i)` and lazy marks change nothing here and are
accepted. Everything else is refused when the pattern is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from carapace.value import Value

__all__ = ["BadPatternError", "MentionPattern"]

_MAX_STEPS: Final = 400
_MAX_REPEAT: Final = 64
_MAX_DEPTH: Final = 16

_Test = Callable[[str], bool]


class BadPatternError(ValueError):
    """The pattern cannot be used; the text says why."""


class _Take(Value, frozen=True):
    """One character that passes `test`, then the next step."""

    test: _Test


class _Go(Value, frozen=True):
    """On to several steps at once, as distances from this one."""

    distances: tuple[int, ...]


class _At(Value, frozen=True):
    """The next step, if this is the place: `^`, `$`, `b` or `B`."""

    place: str


_Step = _Take | _Go | _At
_Steps = tuple[_Step, ...]


class _State(NamedTuple):
    """Where all ways are between two characters.

    `before` is empty at the beginning, else `w` after a character of a word and `x` after
    another: no step looks further back.
    """

    waiting: frozenset[int]
    before: str


_START: Final = _State(frozenset(), "")
_FOUND: Final = -1
_MAX_KNOWN: Final = 4_096


class MentionPattern:
    """One pattern.

    What was found out about a character in a state is kept, so that ordinary texts cost a
    look-up for each character.

    Args:
        pattern: As in the settings.

    Raises:
        BadPatternError: If it is none, or too large.
    """

    __slots__ = ("_known", "_numbers", "_states", "_steps", "pattern")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._steps = _Reader(pattern.removeprefix("(?i)")).read()
        self._forget()

    def is_in(self, text: str) -> bool:
        """Whether `text` matches anywhere; takes time in proportion to its length."""
        number = self._number(_START)
        for here in (*text, ""):
            following = self._known.get((number, here))
            if following is None:
                following = self._follow(number, here)
            if following == _FOUND:
                return True
            number = following
        return False

    def _forget(self) -> None:
        self._states: list[_State] = []
        self._numbers: dict[_State, int] = {}
        self._known: dict[tuple[int, str], int] = {}

    def _number(self, state: _State) -> int:
        number = self._numbers.setdefault(state, len(self._states))
        if number == len(self._states):
            self._states.append(state)
        return number

    def _follow(self, number: int, here: str) -> int:
        """The state after `here`, worked out and kept."""
        state = self._states[number]
        if len(self._known) >= _MAX_KNOWN:
            self._forget()
            number = self._number(state)
        reached = self._reached(state, here)
        following = _FOUND
        if len(self._steps) not in reached:
            steps = ((at, self._steps[at]) for at in reached)
            waiting = frozenset(
                at + 1 for at, step in steps if isinstance(step, _Take) and here and step.test(here)
            )
            following = self._number(_State(waiting, "w" if _is_word(here) else "x"))
        self._known[number, here] = following
        return following

    def _reached(self, state: _State, here: str) -> set[int]:
        """All steps to be at without taking a character; a match may begin here as well."""
        reached: set[int] = set()
        todo = [0, *state.waiting]
        while todo:
            number = todo.pop()
            if number in reached:
                continue
            reached.add(number)
            step = self._steps[number] if number < len(self._steps) else None
            if isinstance(step, _Go):
                todo += [number + distance for distance in step.distances]
            elif isinstance(step, _At) and _is_at(step.place, state.before, here):
                todo.append(number + 1)
        return reached


def _is_at(place: str, before: str, here: str) -> bool:
    if place == "^":
        return not before
    if place == "$":
        return not here
    return ((before == "w") != _is_word(here)) == (place == "b")


def _is_word(one: str) -> bool:
    return one.isalnum() or one == "_"


_CLASSES: Final[dict[str, _Test]] = {
    "d": str.isdecimal,
    "D": lambda one: not one.isdecimal(),
    "w": _is_word,
    "W": lambda one: not _is_word(one),
    "s": str.isspace,
    "S": lambda one: not one.isspace(),
}
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r"}


class _Reader:
    """Reads a pattern into steps, by recursive descent."""

    __slots__ = ("_at", "_depth", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def read(self) -> _Steps:
        steps = self._either()
        if self._at < len(self._text):
            raise BadPatternError("a ) closes nothing")
        return steps

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        one = self._peek()
        if not one:
            raise BadPatternError("it ends too early")
        self._at += 1
        return one

    def _skip(self, text: str) -> bool:
        if self._text.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _either(self) -> _Steps:
        left = self._sequence()
        if not self._skip("|"):
            return left
        right = self._either()
        return _fit((_Go((1, len(left) + 2)), *left, _Go((len(right) + 1,)), *right))

    def _sequence(self) -> _Steps:
        steps: _Steps = ()
        while self._peek() not in {"", "|", ")"}:
            steps = _fit(steps + self._repeated(self._atom()))
        return steps

    def _repeated(self, one: _Steps) -> _Steps:
        if self._skip("?"):
            steps = _optional(one)
        elif self._skip("*"):
            steps = _any(one)
        elif self._skip("+"):
            steps = (*one, _Go((-len(one), 1)))
        elif self._skip("{"):
            steps = self._counted(one)
        else:
            return one
        self._skip("?")
        if self._peek() in {"?", "*", "+", "{"}:
            raise BadPatternError(f"{self._peek()} follows on a repetition")
        return _fit(steps)

    def _counted(self, one: _Steps) -> _Steps:
        least = self._number()
        most: int | None = least
        if self._skip(","):
            most = None if self._peek() == "}" else self._number()
        if not self._skip("}"):
            raise BadPatternError("a { has no }")
        if most is not None and most < least:
            raise BadPatternError("a repetition counts downwards")
        rest = _any(one) if most is None else _fit(_optional(one) * (most - least))
        return _fit(one * least) + rest

    def _number(self) -> int:
        start = self._at
        while self._peek() in set("0123456789") and self._peek():
            self._at += 1
        digits = self._text[start : self._at]
        if not digits or len(digits) > 3 or int(digits) > _MAX_REPEAT:  # noqa: PLR2004 - longer ones are too large anyway
            raise BadPatternError(f"a repetition counts to {_MAX_REPEAT} at most")
        return int(digits)

    def _atom(self) -> _Steps:
        one = self._next()
        if one == "(":
            return self._group()
        if one == "[":
            return (_Take(self._set()),)
        if one == "\\":
            return self._escaped()
        if one in {"^", "$"}:
            return (_At(one),)
        if one == ".":
            return (_Take(lambda given: given != "\n"),)
        if one in {"?", "*", "+", "{"}:
            raise BadPatternError(f"{one} repeats nothing")
        return (_Take(_same(one)),)

    def _group(self) -> _Steps:
        if self._peek() == "?" and not self._skip("?:"):
            raise BadPatternError("of groups only ( ) and (?: ) are known")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise BadPatternError("groups are nested too deeply")
        steps = self._either()
        if not self._skip(")"):
            raise BadPatternError("a ( has no )")
        self._depth -= 1
        return steps

    def _escaped(self) -> _Steps:
        one = self._next()
        if one in {"b", "B"}:
            return (_At(one),)
        if one in _CLASSES:
            return (_Take(_CLASSES[one]),)
        return (_Take(_same(_literal(one))),)

    def _set(self) -> _Test:
        is_negated = self._skip("^")
        tests: list[_Test] = []
        while not tests or self._peek() != "]":
            tests.append(self._member())
        self._at += 1
        return lambda given: any(test(given) for test in tests) != is_negated

    def _member(self) -> _Test:
        one = self._next()
        if one == "\\":
            one = self._next()
            if one in _CLASSES:
                return _CLASSES[one]
            one = _literal(one)
        if self._peek() != "-" or self._text[self._at + 1 : self._at + 2] in {"", "]"}:
            return _same(one)
        self._at += 1
        last = self._next()
        last = _literal(self._next()) if last == "\\" else last
        if last < one:
            raise BadPatternError("a range counts downwards")
        return lambda given: any(one <= cased <= last for cased in _cases(given))


def _literal(escaped: str) -> str:
    if escaped in _CONTROLS:
        return _CONTROLS[escaped]
    if escaped.isalnum():
        raise BadPatternError(f"\\{escaped} is not known")
    return escaped


def _same(one: str) -> _Test:
    wanted = one.lower()
    return lambda given: given.lower() == wanted


def _cases(one: str) -> tuple[str, ...]:
    return (one, one.lower(), one.upper())


def _optional(one: _Steps) -> _Steps:
    return (_Go((1, len(one) + 1)), *one)


def _any(one: _Steps) -> _Steps:
    return (_Go((1, len(one) + 2)), *one, _Go((-len(one) - 1,)))


def _fit(steps: _Steps) -> _Steps:
    if len(steps) > _MAX_STEPS:
        raise BadPatternError("it is too large")
    return steps
