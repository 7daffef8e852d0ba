"""The picture of the loss says what the losses are."""

import pytest

from spice_select.training.curve import draw_curve

matplotlib = pytest.importorskip("matplotlib")


def drawn(monkeypatch, tmp_path, losses):
    from matplotlib.figure import Figure

    figures, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: figures.append(self) or save(self, *a, **k))
    assert draw_curve(tmp_path / "curve.png", losses, title="t")
    return figures[0].axes[0]


def test_a_flat_loss_looks_flat_and_its_axis_says_how_high(monkeypatch, tmp_path):
    axes = drawn(monkeypatch, tmp_path, [2.345678 + 1e-7 * (step % 2) for step in range(30)])
    low, high = axes.get_ylim()
    assert high - low > 0.02
    assert axes.yaxis.get_major_formatter().get_offset() == ""
    labels = [float(text.get_text()) for text in axes.get_yticklabels() if low <= text.get_position()[1] <= high]
    assert all(2.3 < label < 2.4 for label in labels)


def test_a_falling_loss_fills_the_picture(monkeypatch, tmp_path):
    low, high = drawn(monkeypatch, tmp_path, [3.0, 2.0, 1.5, 1.0]).get_ylim()
    assert 0.8 < low < 1.0 < 3.0 < high < 3.2


@pytest.mark.parametrize("losses", [[0.0, 0.0], [float("nan"), float("nan")], [1.0], [float("inf"), 1.0]])
def test_odd_losses_are_drawn_all_the_same(monkeypatch, tmp_path, losses):
    drawn(monkeypatch, tmp_path, losses)
