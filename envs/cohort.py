"""Many users as one gymnasium.vector.VectorEnv.

A cohort holds the records of its users and hands them, slice by slice, to the compiled loops of
step.py. It keeps no physics of its own: a single user is a cohort of one (session.py).
"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numba.core.errors import NumbaError

from longplay.envs import draws, spaces
from longplay.envs.arguments import (
    TASKS,
    at_most,
    autoreset,
    check_first_user,
    choose_interface,
    choose_threads,
    one_of,
    positive,
)
from longplay.envs.bounds import check_horizon
from longplay.envs.crew import Crew
from longplay.envs.lanes import Lanes, last_seen
from longplay.envs.memory import Lender, as_bytes
from longplay.envs.population import open_shop
from longplay.envs.scenarios import World, find_world, kernel_of, packed
from longplay.envs.state import (
    CHOSEN,
    HIDDEN,
    LAYOUTS,
    OUTCOME,
    PRODUCTION,
    SLATE,
    SLOT,
    STUDY,
    USER,
    WEIGHED,
)

REWARDS = {"AdLoad": "revenue", "Feed": "minutes"}  # short-sighted on purpose: see rewards/
STATE = ("users", "outcomes", "slots", "rows", "desk", "seeds", "lives", "finished")
Array = npt.NDArray[Any]


class Cohort(Lanes):
    """Users of one world, stepped together; the vector form of longplay/AdLoad-v0 and Feed-v0.

    Actions, observations, rewards and ends are those of the single envs (session.AdLoad,
    session.Feed), with a leading axis of users. Lane ``i`` starts with person ``first_user + i``;
    when that life is over, the lane goes on with person ``first_user + i + (1 << 32)`` and so on,
    whatever happens in other lanes.

    Args:
        task: "AdLoad" or "Feed".
        num_envs: number of users (lanes).
        scenario: name of a scenario, or a World.
        decision: "fetch": one action a fetch; "session": an action holds for a whole session.
        observe: "platform": what a platform could log; "oracle": the hidden moods too.
        action: Feed's interface, "weights", "slate" or "item"; None takes "weights".
        autoreset_mode: SAME_STEP, NEXT_STEP or DISABLED. In DISABLED a finished lane is frozen:
            its outcomes are blank, until ``reset(options={"reset_mask": mask})``.
        horizon_days: days watched per user; None takes the world's.
        first_user: number of the person in lane 0.
        threads: slices lived through side by side; None chooses. Results do not depend on it.
        copy: whether observations, rewards and flags are copies (else buffers of the cohort).
        candidates: Feed's candidates per fetch.
        slate_size: positions of a Feed slate (1 with "item"); AdLoad has 10.
        render_mode: None, "ansi" or "rgb_array".

    Attributes:
        outcomes: OUTCOME (n,), what the last step led to, of the users who acted.
        slots: SLOT (n, k), their last fetch, position by position.
        users: USER (n,), the live records, hidden fields included.
        ended: lanes (m,) in which the last step ended a life and began the next, with the last
            observations of those lives, batched; in some pieces. Only with SAME_STEP.

    ``info`` holds ``gap_h`` (hours from this decision to the next; inf after churn), ``discount``
    (``gamma_day ** (gap_h / 24)``; 0 after churn) and ``hidden``, a dict of views of the live
    hidden records. With SAME_STEP, in a step that ends a life, ``final_obs`` too, objects (n,): the
    last observation of each life that ended, None elsewhere, and its mask ``_final_obs`` (one batch
    of all: `lanes.seen_after`); gap and discount are of the life that acted. Gymnasium's vector
    wrappers of observations and RecordEpisodeStatistics are made for NEXT_STEP.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 2}

    def __init__(
        self,
        task: str = "AdLoad",
        num_envs: int = 1,
        *,
        scenario: str | World = "music",
        decision: str = "fetch",
        observe: str = "platform",
        action: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        horizon_days: float | None = None,
        first_user: int = 0,
        threads: int | None = None,
        copy: bool = True,
        candidates: int = 100,
        slate_size: int = SLATE,
        render_mode: str | None = None,
    ) -> None:
        self.task = one_of("task", task, TASKS)
        self.num_envs = positive("num_envs", num_envs)
        self.world = find_world(scenario)
        self.decision = one_of("decision", decision, ("fetch", "session"))
        self.view = one_of("observe", observe, ("platform", "oracle"))
        self.interface = choose_interface(task, action, self.decision)
        self.autoreset_mode = autoreset(autoreset_mode)
        days = self.world.horizon_days if horizon_days is None else horizon_days
        self.horizon_days = check_horizon(days)
        self.first_user = check_first_user(first_user)
        self.copy = copy
        self.render_mode = render_mode
        if render_mode is not None:
            one_of("render_mode", render_mode, self.metadata["render_modes"])
        feed = self.task == "Feed"
        self.slate_size = SLATE
        self.candidates = 0
        if feed:
            self.candidates = at_most("candidates", positive("candidates", candidates), 1000)
            size = 1 if self.interface == "item" else slate_size
            self.slate_size = at_most("slate_size", positive("slate_size", size), 50)
            if self.slate_size > self.candidates:
                raise ValueError(
                    f"slate_size={self.slate_size} is larger than candidates={self.candidates}: "
                    "a slate is chosen among the candidates; offer more of them."
                )
        self.metadata = self.metadata | {"autoreset_mode": self.autoreset_mode}
        self._settings: dict[str, Any] = {
            "task": self.task,
            "scenario": self.world,
            "decision": self.decision,
            "observe": self.view,
            "action": self.interface if feed else None,
            "autoreset_mode": self.autoreset_mode,
            "horizon_days": self.horizon_days,
            "first_user": self.first_user,
            "threads": threads,
            "copy": copy,
            "candidates": candidates,
            "slate_size": slate_size,
            "render_mode": render_mode,
        }
        self._open(threads)

    def _open(self, threads: int | None) -> None:
        """Allocate everything the loops need, once."""
        n = self.num_envs
        self.shop = open_shop(self.world.catalogue)
        smallest = int(np.diff(self.shop.starts).min())
        longest = max(self.slate_size, self.candidates)
        if longest >= smallest:
            raise ValueError(
                f"lists of {longest} items from a catalogue whose smallest topic has {smallest}: "
                "lower candidates or raise catalogue.items."
            )
        self._kernel = kernel_of(self.world.laws)
        self._params = packed(self.world)
        self._study = np.zeros(1, STUDY)
        self._study["horizon"] = 24.0 * self.horizon_days
        self._study["log_gamma"] = np.log(self.world.gamma_day) / 24.0
        self._study["hold"] = self.decision == "session"
        self._study["youth_layout"] = self.world.youth_layout
        self._study["oracle"] = self.view == "oracle"
        weighed = self.interface == "weights"
        ranker = WEIGHED if weighed else CHOSEN
        self._study["ranker"] = PRODUCTION if self.task == "AdLoad" else ranker
        self._set_spaces()
        self._desk = spaces.blank_desk(n, self.slate_size, self.candidates, weighed)
        self._rows = np.zeros((n, len(self.feature_names)), np.float32)
        self.users: Array = np.zeros(n, USER)
        self.outcomes: Array = np.zeros(n, OUTCOME)
        self.slots: Array = np.zeros((n, self.slate_size), SLOT)
        self._open_lanes()
        self._seen: tuple[Array, ...] = (self._rows,)  # what observations show
        if isinstance(self.single_observation_space, gym.spaces.Dict):
            self._seen += (self._desk.features.reshape(n, -1),)
        self._page_is_out = False
        self.ended: list[tuple[Array, Any]] = []
        self._hidden = {name: self.users[name] for name in HIDDEN}
        self._reward = self.outcomes[REWARDS[self.task]]
        self._crew = Crew(choose_threads(threads, n))
        self._dice = draws.blank_dice(
            self._crew.size, max(self.slate_size, self.candidates // 4 + 1)
        )
        self._lender = Lender()

    def _set_spaces(self) -> None:
        names: tuple[str, ...] = spaces.USER_FEATURES
        if self.interface == "weights":
            names += spaces.SUMMARY_FEATURES
        if self.view == "oracle":
            names += spaces.HIDDEN_FEATURES
        self.feature_names = names
        box = gym.spaces.Box
        bound = spaces.BOUND
        user = box(-bound, bound, (len(names),), np.float32)
        self.single_observation_space: gym.Space[Any] = user
        self.single_action_space: gym.Space[Any]
        if self.task == "AdLoad":
            self.single_action_space = gym.spaces.Discrete(len(LAYOUTS))
        elif self.interface == "weights":
            self.single_action_space = box(-1.0, 1.0, (len(spaces.SCORERS),), np.float32)
        else:
            m = self.candidates
            shape = (m * len(spaces.ITEM_FEATURES),)
            self.single_observation_space = gym.spaces.Dict(
                {"user": user, "candidates": box(-bound, bound, shape, np.float32)}
            )
            if self.interface == "item":
                self.single_action_space = gym.spaces.Discrete(m)
            else:
                self.single_action_space = gym.spaces.MultiDiscrete([m] * self.slate_size)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    # Living.

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """New people in all lanes, or in those of ``options["reset_mask"]``.

        Args:
            seed: of the world, one for all lanes or one a lane: the same seed gives the same
                people with the same luck. None goes on to the next person of each lane (and
                draws a seed at the first reset).
            options: "reset_mask", bool (n,); "users", the numbers of the people to meet (n,).

        Returns:
            observations of all lanes, and infos.
        """
        lanes, numbers = self._next_people(seed, options)
        self._turn_page(keep=True)
        self._crew.share(
            len(lanes),
            lambda lo, hi, member: self._admit(lanes[lo:hi], numbers[lo:hi], member),
        )
        return self._observation(), self._info()

    def _admit(self, lanes: Array, numbers: Array, member: int) -> None:
        """Let these people be born in these lanes, and grow up."""
        as_bytes(self.users)[lanes] = 0
        self.users["user"][lanes] = numbers
        self.users["seed"][lanes] = self._seeds[lanes]
        self._run(self._kernel.admit, 0, len(lanes), member, lanes)

    def step(
        self, actions: Any
    ) -> tuple[Any, npt.NDArray[np.float64], Array, Array, dict[str, Any]]:
        """Live through one decision of every user.

        Args:
            actions: (n, ...) as `action_space`; weights beyond it are clipped.

        Returns:
            observations, rewards (n,) float64, terminated (n,) (churned), truncated (n,) (past
            the horizon), infos.

        Raises:
            ValueError: for an action outside the action space, naming the first such user.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._lives[0] < 0:
            raise gym.error.ResetNeeded("step() came before reset(): call reset(seed=...) first.")
        self._decode(actions)
        last_page = self._turn_page()
        over = np.empty(self.num_envs, bool)
        gone = np.empty(self.num_envs, bool)
        self.ended = []
        same_step = self.autoreset_mode == AutoresetMode.SAME_STEP
        ready = over if same_step else self._finished  # whose lanes go on with the next person

        def live(lo: int, hi: int, member: int) -> None:
            self._run(self._kernel.advance, lo, hi, member)
            over[lo:hi] = self.users["over"][lo:hi]
            gone[lo:hi] = self.users["gone"][lo:hi]
            if last_page is not None:  # nobody wrote on a new one for who is away for ever
                lanes = lo + np.flatnonzero(over[lo:hi])
                away = lanes[gone[lanes] | (self.outcomes["fetches"][lanes] == 0.0)]
                self._desk.features[away] = last_page[away]
            lanes = lo + np.flatnonzero(ready[lo:hi])
            if len(lanes) > 0:
                if same_step:
                    self.ended.append((lanes, self._named([part[lanes] for part in self._seen])))
                self._next_lives(lanes, member)

        self._crew.share(self.num_envs, live)
        if self.autoreset_mode == AutoresetMode.NEXT_STEP:
            over &= ~ready
            self._finished = over
        info = self._info()
        if self.ended:
            info |= {"final_obs": last_seen(self.num_envs, self.ended), "_final_obs": over}
        return self._observation(), self._reward.copy(), over & gone, over & ~gone, info

    def _next_lives(self, lanes: Array, member: int) -> None:
        """Put the next person into these lanes, keeping the outcomes just made."""
        outcomes, slots = as_bytes(self.outcomes), as_bytes(self.slots)
        kept = outcomes[lanes], slots[lanes]
        self._lives[lanes] += 1
        self._admit(lanes, self._numbers(lanes), member)
        outcomes[lanes], slots[lanes] = kept

    def _decode(self, actions: Any) -> None:
        """Write the actions to the desk, refusing what lies outside the space."""
        wanted = self.action_space.shape
        try:
            acts = np.asarray(actions)
        except ValueError as error:
            raise ValueError(f"actions={actions!r}: wanted an array of shape {wanted}.") from error
        if acts.shape != wanted:
            raise ValueError(
                f"actions have shape {acts.shape}, wanted {wanted}: one row a user "
                f"({self.num_envs})."
            )
        if self.interface == "weights":
            self._decode_weights(acts)
            return
        if acts.dtype.kind not in "iu":
            raise ValueError(f"actions have dtype {acts.dtype}: wanted whole numbers.")
        if self.task == "AdLoad":
            self._decode_layouts(acts)
            return
        choices = acts.reshape(self.num_envs, -1).astype(np.int64)
        desk = self._desk
        wrong = spaces.decode_slate(choices, desk.candidates, desk.slates, desk.duplicates)
        if wrong >= 0:
            choice = choices[wrong].tolist()
            raise ValueError(
                f"{self.interface}={choice if len(choice) > 1 else choice[0]} for user {wrong}; "
                f"there are {self.candidates} candidates, 0..{self.candidates - 1}."
            )

    def _decode_layouts(self, acts: Array) -> None:
        if acts.min() < 0 or acts.max() >= len(LAYOUTS):
            wrong = int(np.flatnonzero((acts < 0) | (acts >= len(LAYOUTS)))[0])
            nearest = min(max(int(acts[wrong]), 0), len(LAYOUTS) - 1)
            raise ValueError(
                f"layout={acts[wrong]} for user {wrong}; AdLoad has {len(LAYOUTS)} layouts, "
                f"0..{len(LAYOUTS) - 1}. Did you mean {nearest}?"
            )
        self._desk.layouts[:] = acts

    def _decode_weights(self, acts: Array) -> None:
        if acts.dtype.kind not in "fiu":
            raise ValueError(f"weights have dtype {acts.dtype}: wanted real numbers.")
        if not np.isfinite(acts).all():
            wrong = int(np.flatnonzero(~np.isfinite(acts).all(axis=1))[0])
            raise ValueError(f"weights={acts[wrong]} for user {wrong}: wanted finite numbers.")
        self._desk.weights[:] = np.clip(acts, -1.0, 1.0)

    def _run(self, loop: Any, lo: int, hi: int, member: int, *lanes: Array) -> None:
        """A compiled loop over lanes lo .. hi-1, by one member of the crew."""
        try:
            loop(
                self.users,
                lo,
                hi,
                self._dice[member],
                *lanes,
                self._desk,
                self.slots,
                self.outcomes,
                self._rows,
                self.shop,
                self._study,
                self._params,
            )
        except NumbaError as error:
            names = ", ".join(name for name, _ in self.world.laws)
            why = str(error).strip().splitlines()[-1].strip()
            raise ValueError(
                f"world {self.world.name!r} does not compile with the laws given ({names}): {why}"
            ) from error

    # Seeing.

    def _observation(self) -> Any:
        """What all may be shown."""
        parts = [self._lender.copy_of(self._seen[0]) if self.copy else self._seen[0]]
        if len(self._seen) == 2:
            parts.append(self._seen[1])
            self._page_is_out = self.copy
        return self._named(parts)

    def _named(self, parts: list[Array]) -> Any:
        """An observation of these parts, in the order of `_seen`."""
        if isinstance(self.single_observation_space, gym.spaces.Box):
            return parts[0]
        return dict(zip(("user", "candidates"), parts, strict=True))

    def _turn_page(self, keep: bool = False) -> Array | None:
        """Before candidates are written: leave what was shown to who holds it.

        The table of candidates is handed out itself, not copied: a copy would take as long as to
        write it. The next one is written on another page, which begins as a copy only to ``keep``
        it. Returns the page that was left; None if nobody was given it.
        """
        if not self._page_is_out:
            return None
        left = self._desk.features
        page = self._lender.copy_of(left) if keep else self._lender.room_for(left)
        self._desk = self._desk._replace(features=page)
        self._seen = (self._rows, page.reshape(self.num_envs, -1))
        self._page_is_out = False
        return left

    def _info(self) -> dict[str, Any]:
        return {
            "gap_h": self.outcomes["gap"].copy(),
            "discount": self.outcomes["discount"].copy(),
            "hidden": self._hidden,
        }

    @property
    def over(self) -> npt.NDArray[np.bool_]:
        """Which lives are over, bool (n,)."""
        return self.users["over"].astype(bool)

    def render(self) -> tuple[Any, ...] | None:
        """A picture of each lane's last fetch: text ("ansi") or uint8 (h, w, 3) ("rgb_array")."""
        from longplay.envs.render import draw

        if self.render_mode is None:
            return None
        return tuple(draw(self, lane, self.render_mode) for lane in range(self.num_envs))

    # Copying.

    def state(self) -> dict[str, Any]:
        """Everything that changes, as arrays: what `restore` takes to go on from here."""
        return {
            "users": self.users.copy(),
            "outcomes": self.outcomes.copy(),
            "slots": self.slots.copy(),
            "rows": self._rows.copy(),
            "desk": [array.copy() for array in self._desk],
            "seeds": self._seeds.copy(),
            "lives": self._lives.copy(),
            "finished": self._finished.copy(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state` of a cohort of the same make.

        A state of another scenario fits too, if the shapes do: the people go on under other laws.

        Raises:
            ValueError: if it is no such state, or one of another number of users or interface.
        """
        if not isinstance(state, dict) or set(state) != set(STATE):
            raise ValueError("restore() takes what state() gave: a dict of arrays.")
        self._turn_page(keep=True)
        pairs: list[tuple[Array, Array]] = [
            (self.users, state["users"]),
            (self.outcomes, state["outcomes"]),
            (self.slots, state["slots"]),
            (self._rows, state["rows"]),
            (self._seeds, state["seeds"]),
            (self._lives, state["lives"]),
            (self._finished, state["finished"]),
        ]
        pairs += zip(list(self._desk), state["desk"], strict=True)
        for mine, theirs in pairs:
            if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
                raise ValueError(
                    f"the state has an array of shape {theirs.shape} where this cohort has "
                    f"{mine.shape}: restore it into a cohort made with the same arguments."
                )
        for mine, theirs in pairs:
            mine[...] = theirs

    def fork(self, copies: int, luck: str = "same") -> "Cohort":
        """``copies`` of every user, that differ only by what is done to them from here on.

        Args:
            copies: k; lane ``i * k + j`` of the result is fork j of user i.
            luck: "same": all forks meet the same luck; "fresh": each its own.

        Returns:
            a cohort of n * k users, autoreset DISABLED.
        """
        one_of("luck", luck, ("same", "fresh"))
        k = positive("copies", copies)
        settings = self._settings | {"autoreset_mode": AutoresetMode.DISABLED}
        forks = Cohort(num_envs=self.num_envs * k, **settings)
        forks.restore(
            {
                name: [np.repeat(a, k, axis=0) for a in value]
                if name == "desk"
                else np.repeat(value, k, axis=0)
                for name, value in self.state().items()
            }
        )
        if luck == "fresh":
            old = forks.users["luck"].copy()
            forks.users["luck"] = 1 + np.tile(np.arange(k), self.num_envs) + 1_000_003 * old
        return forks

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle keeps: how the cohort was made, and where it is."""
        settings = self._settings | {"num_envs": self.num_envs}
        return {"settings": settings, "state": self.state(), "spec": self.spec}

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        """Make the cohort again and go on where it was."""
        Cohort.__init__(self, **pickled["settings"])
        self.restore(pickled["state"])
        self.spec = pickled["spec"]


def adload(num_envs: int = 1, **settings: Any) -> Cohort:
    """The vector form of longplay/AdLoad-v0."""
    return Cohort("AdLoad", num_envs, **settings)


def feed(num_envs: int = 1, **settings: Any) -> Cohort:
    """The vector form of longplay/Feed-v0."""
    return Cohort("Feed", num_envs, **settings)
