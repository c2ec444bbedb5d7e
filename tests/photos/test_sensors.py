"""What makers' sheets say of cameras whose photographs do not say it."""

import pytest

from aerial.photos.sensors import focal_px_of, sensors


def test_every_figure_names_its_sheet() -> None:
    """A sensor of possible size or an equivalent of a possible lens, and where it is from."""
    assert len(sensors()) >= 19
    for model, sensor in sensors().items():
        assert sensor.source, model
        assert (sensor.sensor_width_mm is None) != (sensor.equivalent_mm is None), model
        assert 3 < (sensor.sensor_width_mm or 10) < 70, model
        assert 10 < (sensor.equivalent_mm or 24) < 200, model


def test_focal_lengths_come_from_the_sheet() -> None:
    """By the sensor where EXIF states millimetres, by the equivalent of a fixed lens where it states none."""
    assert focal_px_of("FC6310", 8.8, None, 5472, 3648) == pytest.approx(3648)
    assert focal_px_of("L1D-20c", None, None, 5472, 3648) == pytest.approx(28 / 36 * 5472)
    assert focal_px_of("L1D-20c", None, None, 3648, 5472) == pytest.approx(28 / 36 * 5472)


def test_what_no_sheet_tells_stays_unknown() -> None:
    """An unknown camera, a sensor without millimetres, a digital zoom: None, never a usual value."""
    assert focal_px_of("NOBODY", 8.8, None, 5472, 3648) is None
    assert focal_px_of(None, 8.8, None, 5472, 3648) is None
    assert focal_px_of("FC6310", None, None, 5472, 3648) is None
    assert focal_px_of("L1D-20c", 10.3, 2.0, 5472, 3648) is None
