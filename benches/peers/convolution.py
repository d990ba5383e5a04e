"""Times torch's convolutions on the sizes of `benches/benches/convolution.rs` and prints the same rows.

Needs `pip install torch --index-url https://download.pytorch.org/whl/cpu`.

    python benches/peers/convolution.py --threads 1
"""

import argparse
import statistics
import time

import torch

# Shapes of input and weight, and groups; padding keeps the size.
SIZES = [
    ([1, 64, 56, 56], [64, 64, 3, 3], 1),
    ([1, 128, 28, 28], [128, 128, 3, 3], 1),
    ([1, 3, 224, 224], [64, 3, 3, 3], 1),
    ([8, 16, 32, 32], [16, 16, 3, 3], 1),
    ([1, 256, 56, 56], [256, 1, 3, 3], 256),
    ([1, 256, 56, 56], [256, 1, 7, 7], 256),
    ([1, 1, 1024, 1024], [1, 1, 3, 3], 1),
    ([1, 1, 1024, 1024], [1, 1, 7, 7], 1),
    ([1, 1, 1024, 1024], [1, 1, 15, 15], 1),
    ([1, 1, 1024, 1024], [1, 1, 31, 31], 1),
    ([1, 1, 65536], [1, 1, 64], 1),
    ([1, 1, 65536], [1, 1, 4096], 1),
    ([1, 64, 16384], [64, 1, 4], 64),
    ([1, 64, 16384], [64, 1, 128], 64),
    ([4, 16, 4096], [16, 16, 64], 1),
    ([1, 16, 24, 24, 24], [16, 16, 7, 7, 7], 1),
]


def median(run, seconds=0.6):
    """The median time of a call, after two that are not timed, over at least 9 calls and `seconds` in all."""
    run()
    run()
    times = []
    began = time.perf_counter()
    while len(times) < 9 or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times), min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {threads} thread(s), milliseconds\n")
    print("| size | M products | median | least | G products/s |")
    print("|---|---|---|---|---|")
    for x_shape, w_shape, groups in SIZES:
        x, w = torch.randn(x_shape), torch.randn(w_shape)
        conv = [torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d][len(x_shape) - 3]
        pads = [[(k - 1) // 2, k // 2] for k in w_shape[2:]]
        if all(a == b for a, b in pads):
            run = lambda: conv(x, w, padding=[a for a, _ in pads], groups=groups)
        else:
            flat = [side for pad in reversed(pads) for side in pad]
            padded = torch.nn.functional.pad(x, flat)
            run = lambda: conv(padded, w, groups=groups)
        with torch.inference_mode():
            outputs = run().numel()
            seconds, least = median(run)
        products = outputs * torch.Size(w_shape[1:]).numel()
        rate = products / seconds / 1e9
        print(
            f"| {x_shape} by {w_shape} | {products / 1e6:.1f} | {seconds * 1e3:.3f} | {least * 1e3:.3f} | {rate:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
