//! How long attention and products take with kernels of their own, beside the compositions that they replace, on the same device in the same
//! run: `cargo bench -p fft-benches --bench wgpu_products -- [part of a name]`.
//!
//! Rounds alternate between kernel and composition; the median of each counts.

use std::time::Instant;

use fft_core::backend::AttentionSpec;
use fft_core::spectral::{
    Bits, BlockCirculantMatrix, LogSpectrumMatrix, LogSpectrumOptions, RotatedMatrix, RotatedOptions,
    Rotation, SparseSpectralMatrix,
};
use fft_core::{DType, Device, Result, Tensor, compose};
use fft_wgpu::WgpuOptions;

const ROUNDS: usize = 5;

/// Numbers between -1 and 1 that look random.
fn noise(device: &Device, shape: &[usize], seed: u32) -> Result<Tensor> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    let data: Vec<f32> = std::iter::repeat_with(next).take(shape.iter().product()).collect();
    Tensor::from_slice(device, &data, shape)
}

struct Table<'a> {
    device: &'a Device,
    chosen: Option<String>,
}

impl Table<'_> {
    fn wants(&self, name: &str) -> bool {
        self.chosen.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }

    /// Whether any line of a section may be wanted.
    fn opens(&self, section: &str) -> bool {
        self.wants(section) || self.chosen.as_ref().is_some_and(|part| part.contains(section))
    }

    fn seconds<T>(&self, work: &dyn Fn() -> Result<T>) -> Result<f64> {
        self.device.synchronize()?;
        let start = Instant::now();
        let made = work()?;
        self.device.synchronize()?;
        drop(made);
        Ok(start.elapsed().as_secs_f64())
    }

    fn line<T>(
        &self,
        name: &str,
        own: &dyn Fn() -> Result<T>,
        composed: &dyn Fn() -> Result<T>,
    ) -> Result<()> {
        if !self.wants(name) {
            return Ok(());
        }
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            for (times, work) in times.iter_mut().zip([own, composed]) {
                let seconds = self.seconds(work)?;
                // The first round compiles.
                if round > 0 {
                    times.push(seconds);
                }
            }
        }
        let [own, composed] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[ROUNDS / 2] * 1e3
        });
        println!("{name:<52} {own:>10.2} {composed:>12.2} {:>8.2}", composed / own);
        Ok(())
    }
}

fn attention(table: &Table<'_>) -> Result<()> {
    // Query heads, key heads, queries, keys
    for (name, [heads, groups, t, s]) in [
        ("attention, 512 causal", [4, 4, 512, 512]),
        ("attention, 2048 causal", [2, 2, 2048, 2048]),
        ("attention, 1 query, 2048 keys", [8, 2, 1, 2048]),
        ("attention, 1 query, 2048 keys, each its own", [8, 8, 1, 2048]),
        ("attention, 40 queries, 2048 keys", [4, 4, 40, 2048]),
    ] {
        if !table.wants(name) {
            continue;
        }
        let q = noise(table.device, &[1, heads, t, 64], 1)?;
        let (k, v) =
            (noise(table.device, &[1, groups, s, 64], 2)?, noise(table.device, &[1, groups, s, 64], 3)?);
        let spec = AttentionSpec { scale: 0.125, causal: true, offset: s - t };
        table
            .line(name, &|| Tensor::attention(&q, &k, &v, spec), &|| compose::attention(&q, &k, &v, spec))?;
        if t == 512 {
            let g = noise(table.device, &[1, heads, t, 64], 4)?;
            table.line(
                "attention_backward, 512 causal",
                &|| Tensor::attention_backward(&q, &k, &v, &g, spec),
                &|| compose::attention_backward(&q, &k, &v, &g, spec),
            )?;
        }
    }
    Ok(())
}

/// A matrix of 2048 by 2048 of which every twentieth number is stored.
fn sparse(table: &Table<'_>) -> Result<()> {
    const N: usize = 2048;
    if !table.opens("sparse") {
        return Ok(());
    }
    let device = table.device;
    let count = N * N / 40;
    let mut positions: Vec<[u32; 2]> = (0..count)
        .map(|i| ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as usize % (N / 2 * N))
        .map(|p| [(p / N) as u32, (p % N) as u32])
        .collect();
    positions.sort_unstable();
    let values = noise(device, &[count], 5)?.complex(&noise(device, &[count], 6)?)?;
    let w = SparseSpectralMatrix::from_positions(device, [N, N], &positions)?.with_values(&values)?;
    for batch in [1, 64] {
        let x = noise(device, &[batch, N], 7)?;
        for (way, transpose) in [("", false), (" transposed", true)] {
            let name = format!("sparse{way}, {batch} vectors");
            table.line(&name, &|| device.sparse_spectral_product(&w, &x, transpose), &|| {
                compose::sparse_spectral_product(&w, &x, transpose)
            })?;
        }
        table.line(
            &format!("sparse gradient, {batch} vectors"),
            &|| device.sparse_spectral_gradient(&w, &x, &x),
            &|| compose::sparse_spectral_gradient(&w, &x, &x),
        )?;
    }
    Ok(())
}

/// Matrices of 2048 by 2048 in circulant blocks.
fn circulant(table: &Table<'_>) -> Result<()> {
    const N: usize = 2048;
    if !table.opens("circulant") {
        return Ok(());
    }
    let device = table.device;
    for block in [16, 128] {
        let columns = noise(device, &[N / block, N / block, block], 5)?;
        let w = BlockCirculantMatrix::from_first_columns(&columns)?;
        let name = |what: &str| format!("circulant, blocks of {block}, {what}");
        table.line(&name("spectrum"), &|| device.block_circulant_spectrum(&columns), &|| {
            compose::block_circulant_spectrum(&columns)
        })?;
        for batch in [1, 64] {
            let x = noise(device, &[batch, N], 7)?;
            for (way, transpose) in [("", false), ("transposed, ", true)] {
                let name = name(&format!("{way}{batch} vectors"));
                table.line(&name, &|| device.block_circulant_product(&w, &x, transpose), &|| {
                    compose::block_circulant_product(&w, &x, transpose)
                })?;
            }
            table.line(
                &name(&format!("gradient, {batch} vectors")),
                &|| device.block_circulant_gradient(&x, &x, block),
                &|| compose::block_circulant_gradient(&x, &x, block),
            )?;
        }
    }
    Ok(())
}

/// A matrix of 2048 by 2048 with its whole spectrum in log8.
fn log_spectrum(table: &Table<'_>) -> Result<()> {
    const N: usize = 2048;
    if !table.opens("log spectrum") {
        return Ok(());
    }
    let device = table.device;
    let w = LogSpectrumMatrix::from_dense(&noise(device, &[N, N], 5)?, &LogSpectrumOptions::default())?;
    for batch in [1, 64] {
        let x = noise(device, &[batch, N], 7)?;
        let name = format!("log spectrum, {batch} vectors");
        table.line(&name, &|| device.log_spectrum_product(&w, &x), &|| {
            compose::log_spectrum_product(&w, &x)
        })?;
    }
    Ok(())
}

/// Rotated matrices of 2048 by 2048.
fn rotated(table: &Table<'_>) -> Result<()> {
    const N: usize = 2048;
    if !table.opens("rotated") {
        return Ok(());
    }
    let device = table.device;
    for bits in [Bits::Four, Bits::Eight] {
        let w = RotatedMatrix::from_dense(&noise(device, &[N, N], 5)?, &RotatedOptions::new(bits))?;
        for batch in [1, 4, 64] {
            let x = noise(device, &[batch, N], 7)?;
            let name = format!("rotated, {} bits, {batch} vectors", bits.get());
            table.line(&name, &|| device.rotated_product(&w, &x), &|| compose::rotated_product(&w, &x))?;
        }
    }
    let options = RotatedOptions { rotation: Rotation::Hadamard, ..RotatedOptions::new(Bits::Four) };
    let w = RotatedMatrix::from_dense(&noise(device, &[N, N], 5)?, &options)?;
    let x = noise(device, &[1, N], 7)?;
    table.line("rotated by Hadamard, 4 bits, 1 vectors", &|| device.rotated_product(&w, &x), &|| {
        compose::rotated_product(&w, &x)
    })
}

/// Products of plain matrices, beside a copy of the right one: products with one vector should take as long.
fn plain(table: &Table<'_>) -> Result<()> {
    if !table.opens("plain") {
        return Ok(());
    }
    for (rows, n) in [(1, 4096), (4, 2048), (512, 512), (1024, 1024)] {
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let x = noise(table.device, &[rows, n], 1)?.to_dtype(dtype)?;
            let w = noise(table.device, &[n, n], 2)?.to_dtype(dtype)?;
            let turned = w.transpose(0, 1)?;
            let name = format!("plain, {rows} x {n} times {n} x {n}, {dtype}");
            table.line(&name, &|| x.matmul(&turned), &|| w.affine(1.0, 0.0))?;
        }
    }
    let x = noise(table.device, &[512, 512], 1)?.complex(&noise(table.device, &[512, 512], 2)?)?;
    table.line("plain, 512 x 512 times 512 x 512, C64", &|| x.matmul(&x), &|| x.affine(1.0, 0.0))
}

/// The positions of the largest twentieth of 2^22 keys.
fn largest(table: &Table<'_>) -> Result<()> {
    const N: usize = 1 << 22;
    if !table.opens("largest") {
        return Ok(());
    }
    let keys = noise(table.device, &[N], 5)?;
    table.line("largest 5 % of 4 M keys", &|| keys.largest(N / 20), &|| compose::largest(&keys, N / 20))
}

fn main() -> Result<()> {
    if !fft_benches::measuring() {
        return Ok(());
    }
    let device = fft_wgpu::device(WgpuOptions::default())?;
    let table = Table { device: &device, chosen: fft_benches::chosen() };
    println!("{} ({})", device.info().name, device.info().driver);
    println!("{:<52} {:>10} {:>12} {:>8}", "", "kernel ms", "composed ms", "ratio");
    attention(&table)?;
    sparse(&table)?;
    circulant(&table)?;
    rotated(&table)?;
    log_spectrum(&table)?;
    largest(&table)?;
    plain(&table)
}
