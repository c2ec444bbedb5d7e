"""Samples as batches of tensors."""

import pickle
from dataclasses import dataclass

import pytest

from aerial.errors import InputError, RasterError
from aerial_training.batches import batches
from aerial_training.loop import sample_options
from aerial_training.recipes import debug
from aerial_training.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A source whose pictures cannot be read."""

    def sample(self, index: int) -> Sample:
        """Raise as a reader does."""
        raise InputError(f"picture {index} is broken", hint="Export it again.")


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_maker_of_samples_says_arrives_with_its_hint(workers: int) -> None:
    """An error of another process is the same error, no traceback as text."""
    made = batches(Broken(), first=7, count=1, size=2, workers=workers, options=sample_options(debug()))
    with pytest.raises(InputError) as caught:
        next(made)
    assert (str(caught.value), caught.value.hint) == ("picture 7 is broken", "Export it again.")


def test_errors_travel_between_processes_whole() -> None:
    """Pickled and back, an error keeps its class, message and hint."""
    found = pickle.loads(pickle.dumps(RasterError("no", hint="Copy it.")))  # noqa: S301
    assert isinstance(found, RasterError)
    assert (str(found), found.hint) == ("no", "Copy it.")
