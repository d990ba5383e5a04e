#!/usr/bin/env python3
"""Torch's times for the sizes of the bench `train_step`: forward, backward, AdamW of the small Llama's shape.

Written with torch's own fused attention and RMS norm. python benches/peers/train_step.py --threads 2
"""
import argparse
import statistics
import time

import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--steps", type=int, default=30)
options = parser.parse_args()
torch.set_num_threads(options.threads)
BATCH, WINDOW, HIDDEN, INNER, HEADS, KV, DIM, LAYERS, VOCABULARY = 8, 256, 192, 512, 6, 2, 32, 4, 2048


def linear(i, o):
    layer = torch.nn.Linear(i, o, bias=False)
    torch.nn.init.normal_(layer.weight, std=0.02)
    return layer


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.norm2 = torch.nn.RMSNorm(HIDDEN, eps=1e-5), torch.nn.RMSNorm(HIDDEN, eps=1e-5)
        self.q, self.k, self.v = linear(HIDDEN, HEADS * DIM), linear(HIDDEN, KV * DIM), linear(HIDDEN, KV * DIM)
        self.o = linear(HEADS * DIM, HIDDEN)
        self.gate, self.up, self.down = linear(HIDDEN, INNER), linear(HIDDEN, INNER), linear(INNER, HIDDEN)

    def forward(self, x, cos, sin):
        b, t, _ = x.shape

        def heads(y, n):
            return y.view(b, t, n, DIM).transpose(1, 2)

        def rope(y):
            first, second = y.chunk(2, -1)
            return y * cos + torch.cat([-second, first], -1) * sin

        h = self.norm(x)
        q, k, v = rope(heads(self.q(h), HEADS)), rope(heads(self.k(h), KV)), heads(self.v(h), KV)
        k, v = (y.repeat_interleave(HEADS // KV, 1) for y in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(b, t, HEADS * DIM))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, HIDDEN)
        torch.nn.init.normal_(self.embedding.weight, std=0.02)
        self.blocks = torch.nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = torch.nn.RMSNorm(HIDDEN, eps=1e-5)
        angle = torch.arange(WINDOW)[:, None] * 10000.0 ** (-torch.arange(0, DIM, 2) / DIM)
        angle = torch.cat([angle, angle], -1)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, ids):
        x = self.embedding(ids)
        t = ids.shape[1]
        for block in self.blocks:
            x = block(x, self.cos[:t], self.sin[:t])
        return self.norm(x) @ self.embedding.weight.T


model = Llama()
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
ids = torch.randint(0, VOCABULARY, (BATCH, WINDOW))


def step():
    loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


for _ in range(3):
    step()
times = []
for _ in range(options.steps):
    start = time.perf_counter()
    step()
    times.append(time.perf_counter() - start)
seconds = statistics.median(times)
print(f"| a step of {BATCH} x {WINDOW} tokens, torch {torch.__version__}, {options.threads} thread(s) | ms | tokens/s |\n|---|---|---|")
print(f"| torch, dense | {1e3 * seconds:.1f} | {BATCH * WINDOW / seconds:.0f} |")
