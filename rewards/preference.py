"""Preferences among policies: what every scalariser is, before its formula.

See `scalarise` for the formulas, and for what SER and ESR mean.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from longplay.rewards.settings import real

Values = npt.NDArray[np.float64]
CRITERIA = ("ser", "esr")


class Preference(ABC):
    """Which of several policies is wanted, given the return vectors of each one's users."""

    kind: ClassVar[str] = ""
    _kinds: ClassVar[dict[str, type["Preference"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__dict__.get("kind"):
            Preference._kinds[cls.kind] = cls

    @property
    @abstractmethod
    def criterion(self) -> str:
        """Who is judged: "ser", "esr" or "users", as the module says."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """How many objectives it judges."""

    @abstractmethod
    def best(self, returns: npt.ArrayLike) -> int:
        """The policy to take; the first of equals.

        Args:
            returns: (policies, users, d), finite.
        """

    @abstractmethod
    def formula(self, names: Sequence[str]) -> str:
        """The formula, with names for the d objectives."""

    def to_dict(self) -> dict[str, Any]:
        """{"kind": ..., and its settings}: JSON values that `from_dict` reads back."""
        settings = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        listed = {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}
        return {"kind": self.kind, **listed}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Preference":
        """What `to_dict` wrote; ValueError if it is none."""
        kind = data.get("kind") if isinstance(data, Mapping) else None
        if not isinstance(kind, str) or kind not in Preference._kinds:
            raise ValueError(
                f"{data!r} is no scalariser: 'kind' is {kind!r}; wanted what to_dict() writes, "
                f"with one of {', '.join(sorted(Preference._kinds))}"
            )
        settings = {key: value for key, value in data.items() if key != "kind"}
        try:
            return Preference._kinds[kind](**settings)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{data!r} is a damaged scalariser ({error}); wanted what to_dict() writes"
            ) from error

    def __str__(self) -> str:
        return self.formula([f"x{i + 1}" for i in range(self.dimension)])

    def _check(self, names: Sequence[str]) -> None:
        """ValueError if there is not one name an objective."""
        if len(names) != self.dimension:
            raise ValueError(f"{len(names)} names for {self.dimension} objectives; give one each")

    def _candidates(self, returns: npt.ArrayLike) -> Values:
        values = self._returns(returns)
        if values.ndim != 3 or not len(values):
            raise ValueError(
                f"returns of shape {values.shape}; to choose, wanted (policies, users, "
                f"{self.dimension}) with at least one policy"
            )
        if not np.isfinite(values).all():
            raise ValueError("returns hold numbers that are not finite; nothing can be chosen")
        return values

    def _returns(self, returns: npt.ArrayLike) -> Values:
        """(..., users, d) with at least one user."""
        values = as_vectors(returns, self.dimension)
        if values.ndim < 2 or not values.shape[-2]:
            raise ValueError(
                f"returns of shape {values.shape}; wanted (..., users, {self.dimension}) with at "
                "least one user: the return vector of every user"
            )
        return values


class Scalariser(Preference):
    """A preference that is a number: the larger, the better."""

    @abstractmethod
    def of(self, returns: npt.ArrayLike) -> Values:
        """What the users' returns are worth, by the scalariser's criterion.

        Args:
            returns: (..., users, d) return vectors, e.g. one policy's (users, d).

        Returns:
            float64 (...).
        """

    def best(self, returns: npt.ArrayLike) -> int:
        """The policy of the largest value; the first of equals. returns (policies, users, d)."""
        return int(np.argmax(self.of(self._candidates(returns))))


class Utility(Scalariser):
    """A function u of one vector, of the mean return ("ser") or of every user's own ("esr")."""

    @abstractmethod
    def __call__(self, vectors: npt.ArrayLike) -> Values:
        """u of every vector: (..., d) -> (...). It knows no users: see `of`."""

    def of(self, returns: npt.ArrayLike) -> Values:
        """u(mean over users) for "ser", mean over users of u for "esr"; (..., users, d)."""
        values = self._returns(returns)
        if self.criterion == "ser":
            return self(values.mean(axis=-2))
        return np.asarray(self(values).mean(axis=-1))

    def formula(self, names: Sequence[str]) -> str:
        """The formula: of E[x] for "ser", and E[...] around it for "esr"."""
        self._check(names)
        if self.criterion == "ser":
            return self._body([f"E[{name}]" for name in names])
        return f"E[{self._body(names)}]"

    @abstractmethod
    def _body(self, names: Sequence[str]) -> str:
        """The formula of u."""


def numbers(values: object, what: str) -> tuple[float, ...]:
    """Values as a tuple of finite floats, at least one."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise TypeError(f"{what}: {values!r} came; give a number for each objective, e.g. (1, 0.5)")
    given = tuple(values)
    if not given:
        raise ValueError(f"{what}: none came; give at least one number")
    return tuple(number(value, what) for value in given)


def number(value: object, what: str) -> float:
    """A value as a finite float."""
    found = real(value)
    if found is None:
        raise TypeError(f"{what}: {value!r} is no number; give a real number")
    if not math.isfinite(found):
        raise ValueError(f"{what}: {found} is not finite; give a finite number")
    return found


def check_criterion(criterion: object, kind: str) -> None:
    """ValueError if a utility is neither of the mean nor of every user."""
    if criterion not in CRITERIA:
        raise ValueError(
            f"criterion={criterion!r} of {kind}; wanted 'ser' (of the users' mean vector) or "
            "'esr' (the mean over users of each one's own)"
        )


def as_vectors(vectors: npt.ArrayLike, dimension: int) -> Values:
    """Vectors (..., dimension) as float64; ValueError if they are of another length, or none."""
    try:
        given = np.asarray(vectors)
        objects = given.flat if given.dtype.kind == "O" else ()  # big integers and fractions
        if given.dtype.kind not in "biufO" or any(real(value) is None for value in objects):
            raise TypeError(given.dtype)
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"vectors came that are no real numbers of equal length; wanted (..., {dimension}), "
            "one number for each objective"
        ) from None
    if values.ndim < 1 or values.shape[-1] != dimension:
        raise ValueError(
            f"vectors of shape {values.shape} came to a scalariser of {dimension} objectives; "
            f"wanted (..., {dimension})"
        )
    return values


def dot(weights: Sequence[float], values: Values) -> Values:
    """sum_i w_i x_i over the last axis, in one order whatever the batch."""
    out = weights[0] * values[..., 0]
    for i, weight in enumerate(weights[1:], 1):
        out = out + weight * values[..., i]
    return np.asarray(out, np.float64)
