"""Worlds: frozen, named sets of every parameter, and how to make your own.

A world is changed by making another one:

    calm = find_world("bench").replace("tired", fatigue={"per_ad": 0.0})
    mine = find_world("bench").with_laws("mine", next_fatigue=my_fatigue)
    less = find_world("bench").without("habit")

Parameters live beside their law with where they come from; a scenario states only what it sets
otherwise, and why.
"""

import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longplay.envs import step, variants
from longplay.envs.ablations import ablated
from longplay.envs.bounds import check, check_horizon
from longplay.envs.compiled import recompiled
from longplay.envs.files import read_world
from longplay.envs.laws.ads import Ads
from longplay.envs.laws.attention import Attention
from longplay.envs.laws.choice import Choice
from longplay.envs.laws.churn import Churn
from longplay.envs.laws.discovery import Discovery
from longplay.envs.laws.dwell import Dwell
from longplay.envs.laws.fatigue import Fatigue
from longplay.envs.laws.feedback import Feedback
from longplay.envs.laws.habit import Habit
from longplay.envs.laws.intent import Intent
from longplay.envs.laws.leaving import Leaving
from longplay.envs.laws.notifications import Notifications
from longplay.envs.laws.repeats import Repeats, lag_table
from longplay.envs.laws.returning import Returning, slowing_table
from longplay.envs.laws.satiation import Satiation
from longplay.envs.laws.satisfaction import Satisfaction
from longplay.envs.laws.survey import Survey
from longplay.envs.population import Catalogue, Population
from longplay.envs.spaces import Serving
from longplay.envs.state import LAYOUTS, Field, record

Law = Callable[..., Any]


@dataclass(frozen=True)
class World:
    """One world: the parameters of every law, its people, its catalogue, and how it is judged."""

    name: str
    about: str
    intent: Intent = Intent()
    attention: Attention = Attention()
    choice: Choice = Choice()
    dwell: Dwell = Dwell()
    repeats: Repeats = Repeats()
    discovery: Discovery = Discovery()
    feedback: Feedback = Feedback()
    ads: Ads = Ads()
    satiation: Satiation = Satiation()
    fatigue: Fatigue = Fatigue()
    satisfaction: Satisfaction = Satisfaction()
    leaving: Leaving = Leaving()
    habit: Habit = Habit()
    returning: Returning = Returning()
    churn: Churn = Churn()
    notifications: Notifications = Notifications()
    survey: Survey = Survey()
    serving: Serving = Serving()
    population: Population = Population()
    catalogue: Catalogue = Catalogue()
    # how long a study watches each user [day]; free choice: 11 weeks cut off less than 3 %
    horizon_days: float = 77.0
    # discount of a day [1]; free choice
    gamma_day: float = 0.95
    # what one satisfied active day is worth, the exchange rate of J [money/day]; free choice
    day_value: float = 0.05
    # ad layout under which users grow up [index]; free choice
    youth_layout: int = 0
    laws: tuple[tuple[str, Law], ...] = ()  # replaced laws

    def __post_init__(self) -> None:
        """Refuse parameters no world can have."""
        for part, values in self.parameters().items():
            for name, value in values._asdict().items():
                check(part, name, value, type(values)._field_defaults[name])
        if max(self.returning.day) <= 0.0 or max(self.returning.week) <= 0.0:
            raise ValueError("returning.day and returning.week: somebody must come at some hour.")
        if max(self.intent.share) <= 0.0:
            raise ValueError("intent.share: at least one intent must have a share above 0.")
        if not 0.0 < self.gamma_day <= 1.0:
            raise ValueError(f"gamma_day={self.gamma_day}: the discount of a day lies in (0, 1].")
        check_horizon(self.horizon_days)
        if not math.isfinite(self.day_value):
            raise ValueError(f"day_value={self.day_value}: wanted a finite exchange rate.")
        if self.youth_layout not in range(len(LAYOUTS)):
            raise ValueError(
                f"youth_layout={self.youth_layout}: there are {len(LAYOUTS)} layouts, "
                f"0..{len(LAYOUTS) - 1}."
            )

    def parameters(self) -> dict[str, Any]:
        """The parameter tuples by the name of their law."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if hasattr(value, "_asdict")}

    def replace(self, name: str, **changes: Any) -> "World":
        """Another world, named ``name``, with some parameters changed.

        Args:
            name: of the new world.
            changes: a law's name to a dict of its changed parameters (or a whole parameter
                tuple), or a plain setting such as ``gamma_day=0.98``.

        Raises:
            ValueError: for a law or parameter that does not exist, or a value of another shape.
        """
        known = [f.name for f in dataclasses.fields(self) if f.name not in ("name", "laws")]
        new: dict[str, Any] = {"name": name}
        for part, change in changes.items():
            if part not in known:
                raise ValueError(f"{part!r} is no part of a world.{suggestion(part, known)}")
            old = getattr(self, part)
            law = hasattr(old, "_asdict")
            new[part] = change
            if law and isinstance(change, Mapping):
                new[part] = changed(part, old, change)
            if law and not isinstance(new[part], type(old)):
                raise ValueError(
                    f"{part}={change!r}: wanted a {type(old).__name__} or a dict of its parameters."
                )
            kind = str if isinstance(old, str) else int | float
            if not law and not isinstance(change, kind):
                wanted = "text" if kind is str else "a number"
                raise ValueError(f"{part}={change!r}: wanted {wanted}.")
        return dataclasses.replace(self, **new)

    def without(self, *mechanisms: str) -> "World":
        """Another world in which some mechanisms have no effect: see ablations.ABLATIONS.

        Raises:
            ValueError: for a mechanism that does not exist.
        """
        return ablated(self, mechanisms)

    def shifted(self, hours: float) -> "World":
        """Another world in which the day's rhythm comes `hours` later: see variants.shifted."""
        return variants.shifted(self, hours)

    def perturbed(self, share: float, seed: int = 0) -> "World":
        """Another world in which every number of the laws is off by up to `share`, by chance.

        See variants.perturbed.
        """
        return variants.perturbed(self, share, seed)

    def with_laws(self, name: str, **laws: Law) -> "World":
        """Another world, named ``name``, in which other functions stand for some laws.

        A law takes the scalars and the parameters of the one it replaces (see envs/laws) and
        must compile with numba. Compiling takes some seconds, once per process. What a law returns
        is taken at its word, but time never runs backwards: an absence or a dwell that is negative
        or undefined counts as none.

        Raises:
            ValueError: for a name that is no law, or a function of other parameters.
        """
        here = "longplay.envs.laws."
        known = [
            name
            for name, function in vars(step).items()
            if getattr(function, "__module__", "").startswith(here)
        ]
        for law, function in laws.items():
            if law not in known:
                raise ValueError(f"{law!r} is no law of the step.{suggestion(law, known)}")
            check_law(law, function, vars(step)[law])
        return dataclasses.replace(self, name=name, laws=(*self.laws, *laws.items()))


def check_law(name: str, function: Any, original: Any) -> None:
    """Refuse what is no function, or takes another number of arguments than the original."""
    plain = getattr(function, "py_func", function)
    if not inspect.isfunction(plain):
        raise ValueError(f"{name}={function!r}: wanted a function.")
    wanted = list(inspect.signature(original.py_func).parameters)
    came = list(inspect.signature(plain).parameters)
    if len(came) != len(wanted):
        raise ValueError(
            f"{name} takes {len(wanted)} arguments ({', '.join(wanted)}); the function given takes "
            f"{len(came)} ({', '.join(came)})."
        )


def changed(part: str, old: Any, change: Mapping[str, Any]) -> Any:
    """The parameter tuple ``old`` with some fields changed, shapes kept."""
    tidy: dict[str, Any] = {}
    for key, value in change.items():
        if key not in old._fields:
            raise ValueError(f"{part} has no parameter {key!r}.{suggestion(key, old._fields)}")
        if np.shape(value) != np.shape(getattr(old, key)):
            wanted = len(getattr(old, key)) if np.ndim(getattr(old, key)) else "one"
            raise ValueError(f"{part}.{key}={value!r}: wanted {wanted} number(s).")
        try:
            tidy[key] = tuple(map(float, value)) if np.ndim(value) else float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{part}.{key}={value!r}: wanted numbers.") from None
    return old._replace(**tidy)


def suggestion(name: str, known: Any) -> str:
    """' Did you mean ...?', or the list when nothing is near."""
    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(known)}."


class Kernel(NamedTuple):
    """The compiled loops of a world."""

    advance: Law
    admit: Law


@lru_cache(maxsize=16)
def kernel_of(laws: tuple[tuple[str, Law], ...]) -> Kernel:
    """The loops with these laws replaced; without any, the ones compiled and cached on disk."""
    if not laws:
        return Kernel(step.advance, step.admit)
    fresh = recompiled(vars(step), dict(laws))
    return Kernel(fresh["advance"], fresh["admit"])


@lru_cache(maxsize=16)
def record_of_records(parts: tuple[tuple[str, tuple[Field, ...]], ...]) -> np.dtype[np.void]:
    """The dtype of named parts with such fields; one object, as numba keeps all that it meets."""
    kinds: list[Any] = [(name, record(list(fields))) for name, fields in parts]
    return record(kinds)


def packed(world: World) -> npt.NDArray[np.void]:
    """The parameters of ``world`` as one record (1,), the form the loops take.

    Beside the laws stand `tables`, worked out once from the parameters.
    """
    parts = world.parameters()
    kinds: list[Any] = []
    for part, values in parts.items():
        fields: list[Any] = []
        for name, value in values._asdict().items():
            fields.append((name, "f8", (len(value),)) if isinstance(value, tuple) else (name, "f8"))
        kinds.append((part, tuple(fields)))
    tables: dict[str, npt.NDArray[Any]] = {
        "lag": lag_table(world.repeats),
        "slowing": slowing_table(world.returning),
    }
    kinds.append(("tables", tuple((k, v.dtype.str, v.shape) for k, v in tables.items())))
    row = np.zeros(1, record_of_records(tuple(kinds)))
    for part, values in parts.items():
        for name, value in values._asdict().items():
            row[part][name][0] = value
    for name, table in tables.items():
        row["tables"][name][0] = table
    return row


def find_world(scenario: "str | World") -> World:
    """The world of this name, of this scenario file, or the world itself.

    A name is that of a scenario, "bench", or of one without some mechanisms, "bench without
    habit, fatigue" (ablations.py), "bench shifted 6" or "bench perturbed 0.2 seed 3" (variants.py).
    What ends in .json is the path of a scenario file (files.py).

    Raises:
        ValueError: if no scenario has the name, or the file is none.
        TypeError: if it is neither a name nor a World.
    """
    if isinstance(scenario, World):
        return scenario
    if not isinstance(scenario, str):
        raise TypeError(f"scenario={scenario!r}: wanted the name of a scenario or a World.")
    if scenario.endswith(".json"):
        return read_world(scenario)
    variant = variants.parse(scenario)
    if variant.plain not in SCENARIOS:
        raise ValueError(f"scenario={scenario!r} is unknown.{suggestion(variant.plain, SCENARIOS)}")
    return variant.of(SCENARIOS[variant.plain])


MUSIC = World(
    name="music",
    about="Music streaming: sessions, gaps, habit and skips fitted to listening histories.",
    # Fitted by experiments/fitting/calibrate.py (300 people, 366 days, seed 5) to the figures of 50
    # people's histories in experiments/fitting/targets/music.json: all numbers but those marked.
    # docs/realism.md shows how near it comes and what misses. All else is the default of its law:
    # a published value or a free choice, as it says there. What acts through ads alone (ads,
    # aversion; the next four lines and what `ads` and `ad` name below) moves none of those
    # figures: it is fitted by hand to the field experiments F1, F2 and F8 (longplay facts).
    ads=Ads(price_view=0.002, price_click=0.5, blinding=0.2),
    fatigue=Fatigue(per_ad=0.006),
    satisfaction=Satisfaction(ads=0.016),
    churn=Churn(ads=0.02),
    # titles and look: 14 of 5 s before a listener gives up, for F12 (Gomez-Uribe & Hunt 2015 [S])
    intent=Intent(share=(0.4, 0.3, 0.2, 0.0596), titles=(14.0, 20.0, 30.0, 8.0)),
    attention=Attention(look=5.0, pause_chance=0.152, pause_minutes=6.26),
    dwell=Dwell(
        scale=42800.0,
        hurry=(0.0, -0.628, 0.8, 4.67),
        swing=7.71,
        pace=0.8,  # free choice
        start=0.3,  # free choice
    ),
    repeats=Repeats(share=0.413, decay=0.174, cutoff=1000.0),  # cutoff: free choice
    discovery=Discovery(joy=0.2, grow=0.01),  # free choice
    leaving=Leaving(bias=(-4.95, -5.95, -5.15, -4.15), fatigue=0.962, ad=0.05, first=1.91),
    returning=Returning(
        rate=0.0977,
        pause=0.443,
        slowing=0.39,
        habit=1.28,
        ads=0.0,  # ads slow the return through satisfaction; more would hold back no active days
        day=(
            0.0748, 0.135, 0.110, 0.325, 1.07, 1.44, 1.37, 1.60,
            1.71, 1.81, 1.73, 1.48, 1.31, 1.73, 1.64, 1.12,
            1.04, 1.25, 1.04, 0.918, 0.679, 0.282, 0.0917, 0.0481,
        ),
        week=(1.02, 1.04, 1.06, 1.07, 1.05, 0.894, 0.874),
    ),
    # set so that fewer of them cost visits at once and gain some within a year: Meta 2022 [L, sign]
    notifications=Notifications(per_day=2.0, wear=0.08),
    population=Population(skippiness_sd=2.1, stamina_sd=1.09, tempo_sd=0.368),
    catalogue=Catalogue(minutes=3.21),
)  # fmt: skip

BENCH = World(
    name="bench",
    about="The same laws with pronounced trade-offs, for developing methods; not a real place.",
    # Ads are remembered for days instead of months, and cost several times what field
    # experiments found, so that a study of 77 days holds the whole trade-off.
    ads=Ads(memory=0.15, learning=0.05, blinding=0.10),
    returning=Returning(rate=0.16, ads=0.22, satisfaction=2.0, bad_exit=0.4, habit=0.8),
    churn=Churn(period=30.0, ads=0.10),
    satisfaction=Satisfaction(ads=0.010),
    leaving=Leaving(ad=0.35),
    population=Population(aversion_sd=0.7),
    # What draws the eye tends to disappoint: clicks and value part ways.
    catalogue=Catalogue(attraction_value=-0.3),
    choice=Choice(attraction=0.8),
    youth_layout=13,  # (3, 7), the classic
)

SHORTVIDEO = World(
    name="shortvideo",
    about="Short video: watching, liking and hating fitted to impressions; returns are not.",
    # Fitted by experiments/fitting/calibrate.py to the figures of KuaiRand's impressions in
    # experiments/fitting/targets/shortvideo.json: dwell, feedback and skippiness_sd but for those
    # marked; docs/realism-shortvideo.md shows what misses. The log is a sample that says nothing
    # about sessions or returns: intent, attention, leaving and all about returns are free choices.
    intent=Intent(share=(0.3, 0.3, 0.3, 0.1), titles=(25.0, 30.0, 40.0, 20.0)),
    attention=Attention(on_passed=(0.995,) * 4, on_played=(0.995,) * 4, look=0.3),
    choice=Choice(bias=(20.0,) * 4),  # what comes to the eye plays by itself
    dwell=Dwell(
        weibull=0.661,
        scale=9.58,
        match=0.786,
        hurry=(0.0, -0.846, 0.522, 0.0),
        least=1.02,
        stretch=0.275,
        swing=1.81,
        pace=0.3,  # free choice
        skip=3.0,  # a glance: the rule of the figures
    ),
    feedback=Feedback(
        like=-4.59, save=-6.39, share=-6.91, hide=-8.53, early=0.342, late=0.962, slope=0.905
    ),
    leaving=Leaving(bias=(-4.5, -5.0, -4.5, -4.0), first=0.0),
    population=Population(skippiness_sd=0.891),
    # durations: two kinds, by eye to the shares of impressions in bands of duration
    catalogue=Catalogue(
        minutes=2.2, minutes_spread=0.62, short_share=0.38, short_minutes=0.33, short_spread=0.62
    ),
)

COMMUNITY = World(
    name="community",
    about="A community of contributors: new users' returns fitted to question-and-answer sites.",
    # Fitted by experiments/fitting/calibrate.py to the figures of new Stack Exchange users in
    # experiments/fitting/targets/community.json: all numbers but those marked;
    # docs/realism-community.md shows what misses. What happens in a visit is a free choice.
    leaving=Leaving(bias=(0.0,) * 4, first=0.0),  # free choice: a visit is a few items long
    returning=Returning(rate=0.0441, pause=0.886, slowing=0.539, habit=0.568),
    churn=Churn(period=0.911, satisfaction=0.937, habit=1.96),
    population=Population(
        tempo_sd=0.797,
        habit_median=0.0226,
        habit_spread=0.856,
        churn_a=0.301,
        churn_b=1.53,
        youth=0.0,  # a study begins with a person's very first visit
    ),
    catalogue=Catalogue(minutes=2.0),  # free choice
    horizon_days=180.0,  # as long as the sites were watched
)

# `music` with one number changed, so that clickbait pays in minutes over a whole life: who is drawn
# in and let down does not reach the goal of the visit, and plays on. In `bench` it does not pay:
# there returns follow satisfaction so closely that the minutes go with the people
# (docs/audit.md).
CLICKBAIT = MUSIC.replace(
    "clickbait",
    about="`music` where what draws the eye disappoints, to audit rewards with; not a real place.",
    # between the -0.3 of `bench` and F32 and the -1 at which nothing that attracts is good; free
    # choice: no magnitude is published
    catalogue={"attraction_value": -0.6},
)

SCENARIOS: dict[str, World] = {
    world.name: world for world in (MUSIC, SHORTVIDEO, COMMUNITY, BENCH, CLICKBAIT)
}
# the tasks in which a scenario claims that patience pays; tests hold it to that
PATIENT: dict[str, tuple[str, ...]] = {"bench": ("AdLoad", "Feed")}
