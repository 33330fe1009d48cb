"""The command ``longplay``: one function per subcommand, one sentence per mistake.

Bad input gives exit code 2 and one sentence on stderr that says what came, what was wanted and
what to do; nothing is overwritten. Heavy libraries are loaded only by the command that needs them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import io
import os
import re
import sys
import time
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from longplay.experiments.run import Refused
from longplay.experiments.settings import Settings, did_you_mean

T = TypeVar("T")

COMMANDS: dict[str, Callable[[list[str]], int]] = {}  # filled by @command; the docstring is help
BOX = re.compile(r"[\u2500-\u257f]+")  # the lines that tyro draws around its messages
WANTED = {int: "a whole number", float: "a number"}


def command(function: Callable[[list[str]], int]) -> Callable[[list[str]], int]:
    """Register a subcommand under its function's name."""
    COMMANDS[function.__name__] = function
    return function


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return dispatch(words)
    except Refused as error:
        print(f"longplay: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("longplay: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, say
        where = f" ({error.filename})" if error.filename else ""
        print(f"longplay: the system refused: {error.strerror or error}{where}; see to that, "
              "then run again.", file=sys.stderr)  # fmt: skip
        return 1
    except MemoryError:
        print("longplay: memory ran out; ask for fewer --users, or fewer --jobs if that is an "
              "option of the command.", file=sys.stderr)  # fmt: skip
        return 1


def dispatch(words: list[str]) -> int:
    """Find the subcommand and hand it its words."""
    first = words[0] if words else "--help"
    if first in ("-h", "--help", "help"):
        print(overview())
        return 0
    if first == "--version":
        from importlib.metadata import version

        print(f"longplay {version('longplay')}")
        return 0
    if first not in COMMANDS:
        kind = "option" if first.startswith("-") else "command"
        raise Refused(f"There is no {kind} {first!r}{did_you_mean(first, COMMANDS)}")
    return COMMANDS[first](words[1:])


def overview() -> str:
    """The help of ``longplay`` itself."""
    lines = [
        "usage: longplay COMMAND [OPTIONS]",
        "",
        "Policies for people who come back, or don't.",
        "",
    ]
    for name, function in COMMANDS.items():
        about = (function.__doc__ or "").partition("\n")[0]
        lines.append(f"  {name:<10} {about}")
    lines += ["  --version  The version.", "", "longplay COMMAND --help says more."]
    return "\n".join(lines)


@dataclass(frozen=True)
class Compare(Settings):
    """Train agents on a world, evaluate them on the same held-out people, and write a report.

    The numbers depend on the options down to --reward, and not on --jobs or --ray.
    """

    preset: str | None = None  # begin from named settings: demo
    name: str = ""  # of the run: goes into its folder's name
    out: Path | None = None  # folder of the run, must not exist; None: runs/TIME-NAME
    resume: bool = False  # go on with the stopped run in --out
    jobs: int | None = None  # processes; None: one per core
    ray: str | None = None  # on Ray: an ADDRESS (HOST:PORT, auto), or alone for this machine's own
    references: Path | None = None  # references.json of longplay references, for headroom closed

    def settings(self) -> Settings:
        """Without what does not change the numbers; agents may also be split by commas."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(Settings)}
        agents = [name for word in self.agents for name in word.split(",") if name]
        return Settings(**{**values, "agents": tuple(agents)})


PRESETS = {
    "demo": Compare(
        preset="demo",
        name="demo",
        world="longplay/AdLoad-v0",
        scenario="bench",
        decision="session",
        agents=("random", "fixed-none", "fixed-3-7", "fixed-7-8", "epsilon-greedy", "linucb",
                "lints", "ppo", "myopic", "patient"),
        seeds=3,
        users=500,
        train_steps=400_000,
    ),
}  # fmt: skip


@command
def compare(words: list[str]) -> int:
    """Train agents, evaluate them on the same people, write a report."""
    from longplay.experiments import board
    from longplay.experiments.execution.ray_jobs import executor_of, with_address

    asked = parse(Compare, with_address(words), preset_of(words))
    settings = asked.settings()
    if asked.resume and asked.out is None:
        raise Refused("--resume came without --out; name the folder of the run to go on with.")
    scenario = re.sub(r"[^\w.@+-]+", "-", Path(settings.scenario).name.removesuffix(".json"))
    name = asked.name or f"{settings.world.rpartition('/')[2]}-{scenario}"
    if not re.fullmatch(r"[\w.@+-]+", name):
        raise Refused(f"name={name!r}; wanted letters, digits and any of . _ - + @.")
    out = asked.out or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    executor = executor_of(asked.ray, asked.jobs)
    return board.compare_on_screen(
        settings, out, ["longplay", "compare", *words], executor, asked.resume, asked.references
    )


@command
def references(words: list[str]) -> int:
    """Find what chance, one rule, greed and foresight reach in a world."""
    from longplay.experiments.execution.ray_jobs import with_address
    from longplay.experiments.references import study

    return study.command(parse(study.References, with_address(words), study.References()), words)


@command
def misspecify(words: list[str]) -> int:
    """Train agents in some worlds, test them in others: what wrong beliefs cost."""
    from longplay.experiments.misspecify import study

    need("rich", "longplay misspecify")
    return study.command(parse(study.Misspecify, words, study.Misspecify()), words)


@command
def diary(words: list[str]) -> int:
    """Watch one person's life under two policies, on a page."""
    from longplay.experiments.diary import choose

    return choose.command(parse(choose.Diary, words, choose.Diary()))


@command
def audit(words: list[str]) -> int:
    """Search for policies that raise a REWARD while true value falls."""
    from longplay.experiments.audit import study

    formulas, options = positional(words)
    asked = parse(study.Audit, options, study.Audit())
    need("scipy", "longplay audit")
    if len(formulas) != 1:
        came = " and ".join(map(repr, formulas)) or "none"
        raise Refused(f"longplay audit takes one REWARD; {came} came: put the formula in quotes, "
                      "as in longplay audit \"0.7 * minutes - 0.3 * skips\".")  # fmt: skip
    return study.command(asked, formulas[0], words)


@command
def sweep(words: list[str]) -> int:
    """Vary settings of agents and worlds: grid, random or optuna, here or on Ray."""
    from longplay.experiments.execution.ray_jobs import with_address
    from longplay.experiments.sweep import command as page

    files, options = positional(with_address(words), flags=("--resume", "--no-resume"))
    need("rich", "longplay sweep")
    need("scipy", "longplay sweep")
    asked = parse(page.Sweep, options, page.Sweep())
    return page.command(asked, files, words)


@command
def worlds(words: list[str]) -> int:
    """List worlds and scenarios with their knobs."""
    if {"-h", "--help"} & set(words):
        print("usage: longplay worlds [NAME]\n\nList worlds and scenarios; with the NAME of a "
              "scenario (or the path of a scenario file), all its knobs; with that of a world, its "
              "page.")  # fmt: skip
        return 0
    if len(words) > 1 or any(word.startswith("-") for word in words):
        raise Refused(f"longplay worlds takes at most one NAME; {' '.join(words)!r} came.")
    need("rich", "longplay worlds")
    from rich.console import Console

    from longplay.envs.scenarios import SCENARIOS
    from longplay.experiments.settings import find_scenario, is_scenario, world_ids
    from longplay.experiments.worlds import show_scenario, show_world, show_worlds

    console, ids = Console(), world_ids()
    short = {name.rpartition("/")[2]: name for name in ids}
    if not words:
        show_worlds(console, ids, SCENARIOS)
    elif is_scenario(words[0]):
        show_scenario(console, find_scenario(words[0]))
    elif words[0] in (*ids, *short):
        show_world(console, short.get(words[0], words[0]))
    else:
        known = [*SCENARIOS, *ids]
        raise Refused(f"There is no world {words[0]!r}{did_you_mean(words[0], known)}")
    return 0


@command
def agents(words: list[str]) -> int:
    """List agents: what they are, which worlds they play, what they need."""
    if {"-h", "--help"} & set(words):
        print("usage: longplay agents\n\nList all agents.")
        return 0
    if words:
        raise Refused(f"longplay agents takes no options; {' '.join(words)!r} came.")
    need("rich", "longplay agents")
    from rich.console import Console

    from longplay.agents.registry import AGENTS
    from longplay.experiments.worlds import show_agents

    show_agents(Console(), AGENTS)
    return 0


@command
def rewards(words: list[str]) -> int:
    """List the signals that rewards are made of: what they are, in which unit."""
    if {"-h", "--help"} & set(words):
        print("usage: longplay rewards [NAME]\n\nList the signals that rewards are made of; with a "
              "NAME, its page.")  # fmt: skip
        return 0
    if len(words) > 1 or any(word.startswith("-") for word in words):
        raise Refused(f"longplay rewards takes at most one NAME; {' '.join(words)!r} came.")
    need("rich", "longplay rewards")
    from rich.console import Console

    from longplay.experiments.rewards_page import show
    from longplay.rewards import SIGNALS

    if words and words[0] not in SIGNALS:
        raise Refused(f"There is no signal {words[0]!r}{did_you_mean(words[0], SIGNALS)}")
    show(Console(), words[0] if words else None)
    return 0


@command
def realism(words: list[str]) -> int:
    """Set a scenario's figures beside those of real logs."""
    from longplay.experiments.fitting import realism as page

    return page.command(parse(page.Realism, words, page.Realism()))


@command
def facts(words: list[str]) -> int:
    """Reproduce published field experiments in simulation."""
    need("rich", "longplay facts")
    need("scipy", "longplay facts")
    from longplay.experiments.execution.ray_jobs import with_address
    from longplay.experiments.facts import command as page

    return page.command(parse(page.Facts, with_address(words), page.Facts()), words)


@command
def calibrate(words: list[str]) -> int:
    """Fit a scenario's free parameters to figures of real logs, or of your own."""
    need("scipy", "longplay calibrate")
    from longplay.experiments.fitting import calibration

    asked = parse(calibration.Calibrate, words, calibration.Calibrate())
    return calibration.command(asked, words)


def need(library: str, wanted_by: str) -> None:
    """Refused unless a library of the extra `experiments` can be found. Imports nothing."""
    if importlib.util.find_spec(library) is None:
        raise Refused(
            f"{wanted_by} needs {library}, which is not installed; "
            'run: pip install "longplay[experiments]"'
        )


def preset_of(words: Sequence[str]) -> Compare:
    """The settings that the other options change: those of ``--preset``, or the plain ones."""
    for word, following in zip(words, [*words, ""][1:], strict=True):
        flag, equals, value = word.partition("=")
        if flag == "--preset":
            name = value if equals else following
            if name not in PRESETS:
                raise Refused(f"There is no preset {name!r}{did_you_mean(name, PRESETS)}")
            return PRESETS[name]
    return Compare()


def parse(options: type[T], words: Sequence[str], default: T) -> T:
    """The options as a dataclass; Refused with one sentence if they are not right."""
    prog = f"longplay {options.__name__.lower()}"
    need("tyro", prog)
    check_words(options, words, prog)
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(options, args=bound(options, words), default=default, prog=prog)
    except SystemExit as end:
        if end.code == 0:  # --help
            raise
        text = BOX.split(said.getvalue(), maxsplit=0)
        plain = [" ".join(piece.split()) for piece in text]
        told = max(plain, key=len, default="the options were not understood").rstrip(".")
        raise Refused(f"{told}; see {prog} --help.") from None


def bound(options: type, words: Sequence[str]) -> list[str]:
    """The words, with values that begin with a dash (a formula, -skips) tied to their options."""
    single = {
        f"--{name.replace('_', '-')}"
        for name, hint in typing.get_type_hints(options).items()
        if hint is not bool and typing.get_origin(hint) is not tuple
    }
    tied: list[str] = []
    for word in words:
        dashed = word.startswith("-") and not word.startswith("--") and word != "-h"
        if dashed and tied and tied[-1].replace("_", "-") in single:
            tied[-1] += f"={word}"
        else:
            tied.append(word)
    return tied


def positional(words: Sequence[str], flags: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Words that belong to no option, and the options with theirs: one word each, flags none."""
    alone: list[str] = []
    options: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word in ("-h", "--help"):
            return [], [word]
        if not word.startswith("--"):
            alone.append(word)
            continue
        options.append(word)
        if "=" not in word and word not in flags and left and not left[0].startswith("--"):
            options.append(left.pop(0))
    return alone, options


def check_words(options: type, words: Sequence[str], prog: str) -> None:
    """Refuse unknown options and values of a wrong type, in words of our own."""
    hints = typing.get_type_hints(options)
    flags = {f"--{name.replace('_', '-')}": hint for name, hint in hints.items()}
    takes: Any = None  # what the option before this word takes; tuple: any number of words
    for word, following in zip(words, [*words, None][1:], strict=True):
        flag, equals, value = word.partition("=")
        flag = flag.replace("_", "-")
        if word in ("-h", "--help"):
            return
        if not word.startswith("--"):
            if takes is None:
                raise Refused(f"{word!r} belongs to no option; see {prog} --help.")
            takes = takes if takes is tuple else None
            continue
        positive = flag.replace("--no-", "--", 1)
        if flags.get(positive) is bool:
            if equals:
                raise Refused(f"{flag} takes no value; {value!r} came.")
            takes = None
            continue
        if flag not in flags:
            raise Refused(f"There is no option {flag!r}{did_you_mean(flag, flags)}")
        came = value if equals else following
        if came is None or (came.startswith("--") and not equals):
            raise Refused(f"{flag} came without a value; see {prog} --help.")
        check_value(flag, came, flags[flag])
        if equals:
            takes = None
        else:
            takes = tuple if typing.get_origin(flags[flag]) is tuple else str


def check_value(flag: str, came: str, hint: Any) -> None:
    """Refuse a word that is no number where one is wanted, or none of the choices."""
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    kinds = typing.get_args(hint) if union else (hint,)
    if types.NoneType in kinds and came == "None":
        return
    if Path in kinds and not came.strip():
        raise Refused(f"{flag} came empty; wanted the path of a file or folder.")
    for kind in kinds:
        if kind in WANTED:
            try:
                kind(came)
            except ValueError:
                raise Refused(f"{flag} {came}: wanted {WANTED[kind]}.") from None
        if typing.get_origin(kind) is typing.Literal and came not in typing.get_args(kind):
            raise Refused(f"{flag} {came}: wanted {' or '.join(typing.get_args(kind))}.")
