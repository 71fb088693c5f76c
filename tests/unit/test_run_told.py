"""A run's record in the words of `waitline runs show`."""

import pytest

from handlers.record import run_record
from stream.commands.run_told import tell_run
from tests.explaining import case_of, row_of
from tests.kit import Scene, ahead, arm, arms, event, line


def test_a_wait_for_several_events_shows_which_arms_were_met(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """W7, R4: and by which event."""
    scene = Scene(line(arms("w", "all_of", arm("paid"), arm("shipped"))))
    changes = scene.decide(event("go"))
    scene.decide(event("paid", ahead(seconds=1), id="evt_7"))
    view = case_of(scene, row_of(changes)).runs[scene.run.run_id]
    record = run_record(view.stored, view.version)
    tell_run(record, str(record["contact_id"]))
    assert "paid (met by evt_7), shipped" in " ".join(capsys.readouterr().out.split())
