"""Causal convolutions of whole sequences in torch: the unfused path of rfft, product, irfft, crop and skip.

    pip install torch numpy
    python benches/peers/long_convolution.py --threads 1

prints the rows of `cargo bench -p fft-benches --bench long_convolution -- --tables`, medians of repeated calls.
"""

import argparse
import statistics
import time

import torch

SIZES = [
    (8, 256, 4096, 4096),
    (1, 256, 4096, 4096),
    (8, 256, 1024, 1024),
    (2, 64, 65536, 65536),
    (8, 256, 4096, 128),
    (1, 1, 1 << 20, 4096),
    (1, 1, 1 << 20, 1 << 20),
]


def median(work, seconds=1.0):
    work()
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    for gated in (False, True):
        print(f"\ntorch {torch.__version__}, {'gated, ' if gated else ''}with skip, {threads} thread(s)")
        for batch, channels, length, taps in SIZES:
            u, w, v = (torch.randn(batch, channels, length) for _ in range(3))
            kernel, skip = torch.randn(channels, taps), torch.randn(channels, 1)
            points = 1 << (length + taps - 2).bit_length()

            def work():
                z = w * u if gated else u
                y = torch.fft.irfft(torch.fft.rfft(z, n=points) * torch.fft.rfft(kernel, n=points), n=points)
                y = y[..., :length] + skip * z
                return v * y if gated else y

            with torch.no_grad():
                name = f"{batch} x {channels} x {length}, {taps} taps"
                print(f"{name:<44} {median(work) * 1e3:>10.2f} ms")


if __name__ == "__main__":
    main()
