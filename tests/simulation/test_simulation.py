"""The real processor, wake and relay on a virtual clock, under faults drawn from a seed.

pytest tests/simulation --seeds 5000        more of them
pytest tests/simulation --seed 4711         one again, exactly as it was
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation import mutants, mutants_people
from tests.simulation.world import SEEDS, Result, simulate

ROOT = Path(__file__).parents[2]

#: Seeds run in chunks, so that progress shows and no test takes long.
CHUNK = 25

#: Each of these must have happened in a run of all seeds, or the seeds prove too little.
SOMETIMES = (
    "look_back_hit",
    "event_wins",
    "timeout_wins",
    "late_match",
    "cancel_wins",
    "timer_held",
    "fired_under_lag",
    "exit",
    "exit_before_start",
    "once_refused",
    "one_active_refused",
    "capped",
    "arm_met",
    "merge_while_waiting",
    "merge_resumed",
    "merged_duplicate",
    "deleted",
    "erased",
    "unsubscribed",
    "sent_after_cancel",
    "hold",
    "freeze",
    "held_start",
    "kept_match",
    "deadline_frozen",
    "commits_unknown_landed",
    "commits_unknown_not_landed",
    "batches_fenced",
    "turns_moved",
    "turns_unavailable",
    "duplicate",
    "redelivery",
    "quarantine",
    "unclaimed",
    "tombstones",
    "crash",
    "kill",
    "zombie",
    "reshuffle",
    "rewind",
    "wrong_seek",
    "paused",
    "unowned",
    "stuck",
    "database_down",
    "executed_then_hangs",
    "effects_postponed",
    "effect_unknown",
    "effect_failed",
    "run_completed_end",
    "run_completed_no_branch",
    "run_failed_step",
    "run_cancelled_operator",
    "run_contact_deleted",
)

#: Bugs that the seeds must find, by name.
MUTANTS = mutants.MUTANTS | mutants_people.MUTANTS

#: What was seen in the chunks that have run in this process.
seen: Counter[str] = Counter()
seeds_run: set[int] = set()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" in metafunc.fixturenames:
        one = metafunc.config.getoption("--seed", None)
        count = metafunc.config.getoption("--seeds", SEEDS)
        chunks = [range(n, min(n + CHUNK, count)) for n in range(0, count, CHUNK)]
        chunks = chunks if one is None else [range(one, one + 1)]
        ids = [f"{chunk[0]}-{chunk[-1]}" for chunk in chunks]
        metafunc.parametrize("seeds", chunks, ids=ids)


def told(result: Result) -> str:
    """Return what is wrong with a seed, and how to see it again."""
    shown = "\n  ".join(result.violations[:10])
    return (
        f"seed {result.seed}, {len(result.violations)} violations:\n  {shown}\n"
        f"replay: .venv/bin/python -m pytest tests/simulation --seed {result.seed}"
    )


@pytest.mark.timeout(300)
def test_no_fault_loses_doubles_or_delays_anything(seeds: range) -> None:
    """E3, E4, I3, I5, S1, S2, S3, W2, W3, W4, W5, W7, T3, F2, F3, F4, R2: nothing is violated."""
    for seed in seeds:
        result = simulate(seed)
        assert not result.violations, told(result)
        seen.update(result.seen)
        seeds_run.add(seed)


def test_everything_interesting_has_happened() -> None:
    """E3, W2, W4: sometimes-assertions: seeds that never meet a fault prove nothing about it."""
    if len(seeds_run) < SEEDS:
        pytest.skip("too few seeds were run in this process")
    assert [name for name in SOMETIMES if seen[name] == 0] == []


def test_a_world_without_faults_is_punctual() -> None:
    """T2, W4: nothing held without need: timers fire within two seconds, every run ends well."""
    for seed in range(5):
        result = simulate(seed, faults=frozenset())
        assert not result.violations, told(result)
        assert result.seen["run_completed_end"] > 0
        assert result.seen["batches_fenced"] == 0


def test_a_seed_replays_exactly() -> None:
    """D1, D3: the same seed gives the same trace, in a process with other hash seeds too."""
    seeds = (3, 5, 8)
    traces = [simulate(seed).trace for seed in seeds]
    assert traces == [simulate(seed).trace for seed in seeds]
    assert len(set(traces)) == len(traces)
    script = (
        "import structlog; from tests.simulation.world import simulate;"
        "structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50));"
        f"print(*[simulate(seed).trace for seed in {seeds}])"
    )
    for hash_seed in ("1", "2"):
        said = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.split() == traces


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_mutant_is_found(name: str, pytestconfig: pytest.Config) -> None:
    """E3, E4, I3, I5, S2, W2, W4, W7, T3, F2, F4: seeds that miss a bug prove nothing of it."""
    for seed in range(pytestconfig.getoption("--seeds", SEEDS)):
        with pytest.MonkeyPatch.context() as patch:
            MUTANTS[name](patch)
            if simulate(seed).violations:
                return
    pytest.fail(f"{name} survived: {MUTANTS[name].__doc__}")
