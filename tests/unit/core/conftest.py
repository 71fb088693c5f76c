"""Faults of the core that several of its tests make."""

import pytest

from handlers import advance


@pytest.fixture
def faulty_parking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every walk fail when it has come to where the run would be parked."""
    real = advance._Walk._park

    def fault(walk, parked):
        real(walk, parked)
        raise ZeroDivisionError

    monkeypatch.setattr(advance._Walk, "_park", fault)
