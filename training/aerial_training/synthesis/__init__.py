"""The pair synthesiser: training pairs from single pictures, without end, by number."""

from aerial_training.synthesis.synthesiser import PairSynthesiser

__all__ = ["PairSynthesiser"]
