"""Options of the simulation: how many seeds, or the one to replay."""

from collections.abc import Iterator

import pytest
import structlog

from tests.simulation.world import SEEDS


def pytest_addoption(parser: pytest.Parser) -> None:
    options = parser.getgroup("simulation")
    options.addoption("--seeds", type=int, default=SEEDS, help="how many seeds to simulate")
    options.addoption("--seed", type=int, default=None, help="the one seed to replay")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Say nothing: thousands of turns would."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)
