"""Fit a grid of support vector machines to scikit-learn's handwritten digits and pick the best.

    dalsegno run examples/digits.py digits
    python examples/digits.py

Needs the extra `examples`. One action per pair of parameters; the arrays that all of them share are stored once.
"""

import asyncio
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

import dalsegno

env = dalsegno.TaskEnvironment("digits")


class Split(NamedTuple):
    """Images of 64 pixels, one a row, and the digits that they show, to learn from and to be judged by."""

    train_images: NDArray[np.float64]
    train_digits: NDArray[np.int64]
    test_images: NDArray[np.float64]
    test_digits: NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """How good one pair of parameters is: `confusion[i, j]` images of an i were taken for a j."""

    c: float
    gamma: float
    accuracy: float
    confusion: NDArray[np.int64]


@env.task
async def digits(
    cs: list[float] | None = None, gammas: list[float] | None = None, held_out: float = 0.25, seed: int = 0
) -> Score:
    """The best score on the grid of regularisations `cs` and kernel widths `gammas`."""
    images, shown = await load.aio()
    data = await split.aio(images, shown, held_out, seed)
    grid = product(cs or [0.1, 1.0, 10.0], gammas or [0.0001, 0.001, 0.01])
    scores = await asyncio.gather(*(fit.aio(*data, c=c, gamma=gamma) for c, gamma in grid))
    return max(scores, key=lambda score: score.accuracy)


@env.task
def load() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The images and the digits that they show."""
    images, shown = load_digits(return_X_y=True)
    return images, shown.astype(np.int64)


@env.task
def split(images: NDArray[np.float64], shown: NDArray[np.int64], held_out: float, seed: int) -> Split:
    """Hold out a share of the images, with each digit in proportion."""
    parts: list[Any] = train_test_split(images, shown, test_size=held_out, random_state=seed, stratify=shown)
    train_images, test_images, train_digits, test_digits = parts
    return Split(train_images, train_digits, test_images, test_digits)


@env.task
def fit(
    train_images: NDArray[np.float64],
    train_digits: NDArray[np.int64],
    test_images: NDArray[np.float64],
    test_digits: NDArray[np.int64],
    c: float,
    gamma: float,
) -> Score:
    """Fit one machine and judge it by the images held out."""
    machine = SVC(C=c, gamma=gamma).fit(train_images, train_digits)
    guesses = machine.predict(test_images)
    accuracy = float(np.mean(guesses == test_digits))
    print(f"C={c} gamma={gamma}: {accuracy:.4f}")
    return Score(c, gamma, accuracy, confusion_matrix(test_digits, guesses).astype(np.int64))


if __name__ == "__main__":
    best = dalsegno.run(digits).result()
    print(f"C={best.c} gamma={best.gamma} accuracy={best.accuracy:.4f}")
    print(best.confusion)
