"""Ctrl-C twice in a row ends in one line and 130."""

import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
from spice_select.cli import main as cli
def work(argv):
    print("ready", flush=True)
    try:
        time.sleep(30)
    finally:
        time.sleep({cleanup})
cli._dispatch = work
cli.main([])
"""


@pytest.mark.parametrize("gap", [0.0, 0.005, 0.02, 0.1])
def test_a_second_ctrl_c_while_the_first_unwinds_adds_no_traceback(gap: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(cleanup=0.1)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for _ in range(3):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(gap)
        if process.poll() is not None:
            break
    _, errors = process.communicate(timeout=60)
    assert errors == "interrupted: run the same command again to go on from the last finished part\n"
    assert process.returncode == 130


def test_a_clean_up_that_takes_too_long_can_be_left() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(cleanup=30)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGINT)
    time.sleep(2.3)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert errors.count("\n") == 1
    assert process.returncode == 130


def test_a_handler_of_the_callers_is_left_alone() -> None:
    from spice_select.cli.main import main

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit):
        main(["--version"])
    assert signal.getsignal(signal.SIGINT) is before
