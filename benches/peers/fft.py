"""Transforms along several axes, along the first one, and of short lines, by torch.fft and scipy.fft.

    pip install torch scipy numpy
    python benches/peers/fft.py --threads 1

prints the rows of `cargo bench -p fft-benches --bench fft -- --tables --axes`: the median and the least time of a call, in milliseconds.
"""

import argparse
import statistics
import time

import numpy
import scipy.fft
import torch

SHAPES = [
    ((1024, 1024), (0, 1)),
    ((128, 128, 128), (0, 1, 2)),
    ((4096, 64), (0,)),
]
SHORT = [16, 32, 64, 128, 256]
POINTS = 1 << 22


def times(run, seconds=0.5):
    """The median and the least time of a call, after two that are not timed, over at least 9 calls and `seconds` in all."""
    run()
    run()
    taken = []
    began = time.perf_counter()
    while len(taken) < 9 or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e3, min(taken) * 1e3


def row(name, by_torch, by_scipy):
    """Prints a row."""
    (torch_median, torch_least), (scipy_median, scipy_least) = times(by_torch), times(by_scipy)
    cells = f"{torch_median:.3f} ({torch_least:.3f}) | {scipy_median:.3f} ({scipy_least:.3f})"
    print(f"| {name} | {cells} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    generator = numpy.random.default_rng(1)
    print(f"torch {torch.__version__}, scipy {scipy.__version__}, {threads} thread(s): median (least), milliseconds\n")
    print("| transform | torch.fft | scipy.fft |")
    print("|---|---|---|")
    for shape, axes in SHAPES:
        real = generator.uniform(-1, 1, shape).astype(numpy.float32)
        x = (real + 1j * generator.uniform(-1, 1, shape)).astype(numpy.complex64)
        half = scipy.fft.rfftn(real, axes=axes)
        xt, realt, halft = torch.from_numpy(x), torch.from_numpy(real), torch.from_numpy(half)
        lengths = [shape[a] for a in axes]
        name = " x ".join(map(str, shape)) + f", axes {list(axes)}"
        row(
            f"C2C {name}",
            lambda: torch.fft.fftn(xt, dim=axes),
            lambda: scipy.fft.fftn(x, axes=axes, workers=threads),
        )
        row(
            f"R2C {name}",
            lambda: torch.fft.rfftn(realt, dim=axes),
            lambda: scipy.fft.rfftn(real, axes=axes, workers=threads),
        )
        row(
            f"C2R {name}",
            lambda: torch.fft.irfftn(halft, s=lengths, dim=axes),
            lambda: scipy.fft.irfftn(half, s=lengths, axes=axes, workers=threads),
        )
    for n in SHORT:
        shape = (POINTS // n, n)
        x = (generator.uniform(-1, 1, shape) + 1j * generator.uniform(-1, 1, shape)).astype(numpy.complex64)
        xt = torch.from_numpy(x)
        row(
            f"C2C {shape[0]} x {n}",
            lambda: torch.fft.fft(xt),
            lambda: scipy.fft.fft(x, workers=threads),
        )


if __name__ == "__main__":
    main()
