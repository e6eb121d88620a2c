"""The line that says what an estimate will cost."""

from time import process_time

import pytest
from estimate_samples import CLASSIFIER, World, classifier

from pattern_lang.estimate import plan_cost

WAITS = """            import time
            {pause}
            scores ="""


def test_waiting_is_not_working(world: World) -> None:
    """A machine that does other things too makes a process wait; the estimate is no dearer.

    600 steps of a loss that waits a hundredth of a second are 6 seconds on the wall.
    """
    queries = classifier(world, draws=100)
    pause = WAITS.format(pause="time.sleep(0.01)")
    world.write("model.py", CLASSIFIER.replace("            scores =", pause))
    cost = plan_cost(queries)
    assert cost.gradient_steps == 600
    assert 0 < cost.seconds < 3


def test_work_is_counted(world: World) -> None:
    """A loss that computes for a hundredth of a second takes as much in each step and draw."""
    queries = classifier(world, draws=100)
    busy = "end = time.process_time() + 0.01\n            while time.process_time() < end: pass"
    pause = WAITS.format(pause=busy)
    world.write("model.py", CLASSIFIER.replace("            scores =", pause))
    start = process_time()
    cost = plan_cost(queries, workers=1)
    assert process_time() - start > 0.02
    # Every chain takes 150 steps, and 100 draws of one evaluation of each of two blocks at most.
    assert cost.seconds == pytest.approx(4 * (150 + 100) * 0.01, rel=0.6)
    assert cost.seconds > 4 * 150 * 0.01
