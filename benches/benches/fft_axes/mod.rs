//! Tables of transforms along several axes, along the first one, and of batches of short lines.
//!
//! Titles of tables state the floor. Bytes: each pass over an axis reads and writes its array once (the two axes of a plane that stays in the
//! second-level cache count as one pass). Operations: `5 n log2 n` for `n` complex points, half of that for real ones.

use fft_benches::numbers;
use fft_benches::pairs::{Table, compare};
use fft_core::{Complex32, Device, Norm, Tensor};
use rustfft::FftPlanner;

/// Shapes and axes; the peers in Python transform the same ones.
const SHAPES: [(&[usize], &[usize]); 3] =
    [(&[1024, 1024], &[0, 1]), (&[128, 128, 128], &[0, 1, 2]), (&[4096, 64], &[0])];

/// Lengths of the batches, and points in all.
const SHORT: [usize; 5] = [16, 32, 64, 128, 256];
const POINTS: usize = 1 << 22;

fn values(len: usize) -> Vec<Complex32> {
    numbers(2 * len, 1).chunks_exact(2).map(|z| Complex32::new(z[0], z[1])).collect()
}

/// What one writes with rustfft: for each axis, from the last to the first, lines where they are contiguous, else through a transposed copy.
fn by_lines(shape: &[usize], axes: &[usize]) -> impl FnMut(&[Complex32]) + use<> {
    let len: usize = shape.iter().product();
    let (mut out, mut turned) = (vec![Complex32::default(); len], vec![Complex32::default(); len]);
    let mut planner = FftPlanner::new();
    let steps: Vec<_> = axes
        .iter()
        .rev()
        .map(|&a| (shape[a], shape[a + 1..].iter().product::<usize>(), planner.plan_fft_forward(shape[a])))
        .collect();
    let mut scratch = vec![Complex32::default(); 1 << 16];
    move |data| {
        out.copy_from_slice(data);
        for (n, inner, plan) in &steps {
            let scratch = &mut scratch[..plan.get_inplace_scratch_len()];
            if *inner == 1 {
                plan.process_with_scratch(&mut out, scratch);
                continue;
            }
            for (block, turned) in out.chunks_exact_mut(n * inner).zip(turned.chunks_exact_mut(n * inner)) {
                transpose(block, turned, *n, *inner);
                plan.process_with_scratch(turned, scratch);
                transpose(turned, block, *inner, *n);
            }
        }
    }
}

fn transpose(from: &[Complex32], to: &mut [Complex32], rows: usize, columns: usize) {
    for row in (0..rows).step_by(16) {
        for column in (0..columns).step_by(16) {
            for i in row..(row + 16).min(rows) {
                for j in column..(column + 16).min(columns) {
                    to[j * rows + i] = from[i * columns + j];
                }
            }
        }
    }
}

/// Every table, for a device of as many threads.
pub(crate) fn tables(device: &Device, threads: usize) {
    let mut table = Table::new(&format!(
        "several axes, {threads} thread(s), peer: C2C by rustfft and transposition, one thread (2-D: 32 MB and 105 MFLOP complex; 3-D: 64 MB \
         and 220 MFLOP; first axis: 4 MB and 16 MFLOP; half of that real)"
    ));
    for (shape, axes) in SHAPES {
        let data = values(shape.iter().product());
        let x = Tensor::from_slice(device, &data, shape).expect("it fits");
        let real = x.real().expect("it fits");
        let half = real.rfftn(axes, None, Norm::Backward).expect("valid");
        let n: Vec<usize> = axes.iter().map(|&a| shape[a]).collect();
        let mut own = Tensor::from_slice(device, &data, shape).expect("it fits");
        let name = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
        let mut peer = by_lines(shape, axes);
        let mut add = |way: &str, run: &mut (dyn FnMut() + Send)| {
            table.add(compare(format!("{way} {name}, axes {axes:?}"), run, || peer(&data)));
        };
        add("C2C", &mut || drop(x.fftn(axes, None, Norm::Backward).expect("valid")));
        add("C2C in place", &mut || own.fft_in_place(axes, Norm::Ortho).expect("valid"));
        add("R2C", &mut || drop(real.rfftn(axes, None, Norm::Backward).expect("valid")));
        add("C2R", &mut || drop(half.irfftn(axes, Some(&n), Norm::Backward).expect("valid")));
    }
    drop(table);
    let mut table = Table::new(&format!(
        "batches of short lines, C2C, 4 M points (64 MiB to read and write), {threads} thread(s), peer: rustfft out of place, one thread"
    ));
    for n in SHORT {
        let data = values(POINTS);
        let x = Tensor::from_slice(device, &data, &[POINTS / n, n]).expect("it fits");
        let plan = FftPlanner::new().plan_fft_forward(n);
        let mut scratch = vec![Complex32::default(); plan.get_immutable_scratch_len()];
        let mut out = vec![Complex32::default(); POINTS];
        let ours = || x.fft(1, None, Norm::Backward).expect("valid");
        let peer = || plan.process_immutable_with_scratch(&data, &mut out, &mut scratch);
        table.add(compare(format!("{} x {n}", POINTS / n), ours, peer));
    }
    drop(table);
    // The floor of batches.
    let title = format!(
        "copying their input, {threads} thread(s), between two tensors, peer: between two vectors, one thread"
    );
    let mut table = Table::new(&title);
    let data = values(POINTS);
    let x = Tensor::from_slice(device, &data, &[POINTS]).expect("it fits");
    let (mut y, mut out) = (Tensor::from_slice(device, &data, &[POINTS]).expect("it fits"), data.clone());
    let ours = || device.copy(x.view(), y.view_mut().expect("its only owner")).expect("valid");
    table.add(compare("32 MiB", ours, || out.copy_from_slice(&data)));
}
