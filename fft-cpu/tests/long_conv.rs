//! Long convolutions on the processor: memory, reuse, equal bits for any number of threads, and what is refused.

use fft_core::convolution::{LongConvPlan, LongConvTerms, LongConvolution};
use fft_core::{DType, Device, Error, Tensor, compose};
use fft_cpu::CpuOptions;

fn cpu(threads: usize) -> Device {
    fft_cpu::device(CpuOptions { threads: Some(threads), memory_limit: None }).unwrap()
}

fn tensor(device: &Device, shape: &[usize], seed: usize) -> Tensor {
    let len: usize = shape.iter().product();
    let data: Vec<f32> = (0..len).map(|i| (((i + seed) * 7919) % 1009) as f32 / 504.5 - 1.0).collect();
    Tensor::from_slice(device, &data, shape).unwrap()
}

#[test]
fn peak_memory_is_input_output_and_a_quarter_or_the_scratch_of_threads() {
    for threads in [1, 2] {
        for (batch, channels, length, taps) in [
            (8, 64, 4096, 4096),
            (1, 64, 4096, 4096),
            (2, 32, 1000, 1000),
            (1, 2, 100_000, 100_000),
            (1, 1, 1 << 20, 1 << 20),
            (1, 2, 1 << 18, 1 << 18),
            (1, 5, 1 << 18, 1 << 18),
            (1, 1, 1 << 20, 300_000),
            (1, 1, 1 << 20, 4096),
        ] {
            let device = cpu(threads);
            let u = tensor(&device, &[batch, channels, length], 1);
            let gates = [2, 3].map(|seed| tensor(&device, &[batch, channels, length], seed));
            let (kernel, skip) = (tensor(&device, &[channels, taps], 4), tensor(&device, &[channels], 5));
            let terms = LongConvTerms { skip: Some(&skip), before: Some(&gates[0]), after: Some(&gates[1]) };
            let kept = LongConvolution::new(kernel.clone(), Some(skip.clone())).unwrap();
            drop(kept.apply(&u).unwrap());
            for kept in [None, Some(&kept)] {
                let before = device.memory().usage().in_use;
                device.memory().reset_peak();
                let y = match kept {
                    None => u.long_conv(&kernel, terms).unwrap(),
                    Some(kept) => kept.apply_gated(&u, Some(&gates[0]), Some(&gates[1])).unwrap(),
                };
                let more = device.memory().usage().peak - before;
                let (input, output) = (u.bytes(), y.bytes());
                // A thread holds a padded line, a spectrum of the kernel and as much scratch, each of two lengths or little more; of a few long lines a
                // small part of each. No more threads are at work than there are lines.
                let lines = if batch * channels >= 64 { 0 } else { threads.min(channels) * length * 4 };
                let bound = (input + output) / 4 + if length < 1 << 18 { 7 * lines } else { 0 };
                assert!(
                    more <= output + bound,
                    "{batch} x {channels} x {length}, {taps} taps, {threads} threads: {more} bytes for {input} in and {output} out"
                );
            }
        }
    }
}

/// Few lines of many points go in pieces of their spectra.
#[test]
fn pieces_of_long_lines_are_the_convolution() {
    let device = cpu(2);
    for (shape, taps) in [
        ([1, 1, 300_000], 300_000),
        ([1, 2, 270_001], 150_000),
        ([2, 1, 262_144], 262_144),
        ([1, 1, 900_000], 250_001),
    ] {
        let u = tensor(&device, &shape, 1);
        let gates = [2, 3].map(|seed| tensor(&device, &shape, seed));
        let (kernel, skip) = (tensor(&device, &[shape[1], taps], 4), tensor(&device, &[shape[1]], 5));
        let plan = LongConvPlan::new(shape[2], taps);
        let wide = |x: &Tensor| x.to_dtype(DType::F64).unwrap();
        let [wide_u, wide_kernel, wide_skip, first, second] =
            [&u, &kernel, &skip, &gates[0], &gates[1]].map(wide);
        for gated in [false, true] {
            let (wide_terms, terms) = if gated {
                (
                    LongConvTerms { skip: Some(&wide_skip), before: Some(&first), after: Some(&second) },
                    LongConvTerms { skip: Some(&skip), before: Some(&gates[0]), after: Some(&gates[1]) },
                )
            } else {
                Default::default()
            };
            let want = compose::long_conv(&wide_u, &wide_kernel, None, wide_terms, plan).unwrap();
            let want = want.to_vec::<f64>().unwrap();
            let norm = want.iter().map(|y| y * y).sum::<f64>().sqrt();
            let check = |y: &Tensor, epsilon: f64, what: &str| {
                let y = wide(y).to_vec::<f64>().unwrap();
                let off = y.iter().zip(&want).map(|(y, want)| (y - want).powi(2)).sum::<f64>().sqrt();
                let bound = epsilon * (3.0 * (plan.points as f64).log2() + 3.0);
                assert!(
                    norm > 0.0 && off <= bound * norm,
                    "{what} of {shape:?}, {taps} taps: {}",
                    off / norm
                );
            };
            check(&u.long_conv(&kernel, terms).unwrap(), f64::from(f32::EPSILON), "f32");
            let kept = LongConvolution::new(kernel.clone(), terms.skip.cloned()).unwrap();
            let y = kept.apply_gated(&u, terms.before, terms.after).unwrap();
            check(&y, f64::from(f32::EPSILON), "f32 with a kept spectrum");
            let y = wide_u.long_conv(&wide_kernel, wide_terms).unwrap();
            check(&y, 2.0 * f64::EPSILON, "f64");
        }
    }
}

#[test]
fn nothing_is_planned_or_allocated_again() {
    let device = cpu(2);
    let (u, kernel) = (tensor(&device, &[2, 8, 300], 1), tensor(&device, &[8, 300], 2));
    let kept = LongConvolution::new(kernel.clone(), None).unwrap();
    let mut stream = kept.stream(2, 8).unwrap();
    let position = tensor(&device, &[2, 8], 3);
    let mut round = || {
        drop(kept.apply(&u).unwrap());
        drop(u.long_conv(&kernel, LongConvTerms::default()).unwrap());
        (0..512).for_each(|_| drop(stream.step(&position).unwrap()));
    };
    round();
    let (stats, usage) = (device.cache_stats(), device.memory().usage().in_use);
    round();
    round();
    assert_eq!((device.cache_stats(), device.memory().usage().in_use), (stats, usage));
}

#[test]
fn a_step_writes_its_rings_in_place() {
    let device = cpu(1);
    let taps = 1 << 16;
    let kept = LongConvolution::new(tensor(&device, &[1, taps], 1), None).unwrap();
    let mut stream = kept.stream(1, 4).unwrap();
    let position = tensor(&device, &[1, 4], 2);
    for _ in 0..7 {
        device.memory().reset_peak();
        let before = device.memory().usage().in_use;
        drop(stream.step(&position).unwrap());
        let more = device.memory().usage().peak - before;
        assert!(more < taps, "{more} bytes for one position; a ring has {} bytes", 16 * taps);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let run = |threads: usize| {
        let device = cpu(threads);
        let mut all: Vec<Vec<f32>> = Vec::new();
        for (shape, taps) in
            [([3, 70, 500], 500), ([1, 1, 200_000], 900), ([1, 2, 270_000], 270_000), ([40, 1, 64], 64)]
        {
            let (u, kernel) = (tensor(&device, &shape, 1), tensor(&device, &[shape[1], taps], 2));
            all.push(u.long_conv(&kernel, LongConvTerms::default()).unwrap().to_vec().unwrap());
            all.push(LongConvolution::new(kernel, None).unwrap().apply(&u).unwrap().to_vec().unwrap());
        }
        all
    };
    let one = run(1);
    for threads in [2, 3, 5] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn bad_operands_are_named() {
    let device = cpu(1);
    let (u, kernel) = (tensor(&device, &[2, 3, 8], 1), tensor(&device, &[3, 8], 2));
    let fails = |result: fft_core::Result<Tensor>, needle: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with("long_conv") && message.contains(needle), "{message}");
    };
    let none = LongConvTerms::default();
    fails(u.long_conv(&tensor(&device, &[4, 8], 1), none), "as many as the input");
    fails(u.long_conv(&tensor(&device, &[3, 0], 1), none), "kernel = [3, 0]");
    fails(u.long_conv(&tensor(&device, &[8], 1), none), "[channels, taps]");
    fails(tensor(&device, &[8], 1).long_conv(&kernel, none), "[.., channels, length]");
    fails(u.long_conv(&kernel.to_dtype(DType::F64).unwrap(), none), "f32 and f64");
    fails(u.long_conv(&kernel.to_dtype(DType::F16).unwrap(), none), "f16");
    let short = tensor(&device, &[2], 1);
    fails(u.long_conv(&kernel, LongConvTerms { skip: Some(&short), ..none }), "each channel");
    fails(u.long_conv(&kernel, LongConvTerms { before: Some(&kernel), ..none }), "shape of the input");
    let other = cpu(1);
    assert!(matches!(
        u.to_device(&other).unwrap().long_conv(&kernel, none),
        Err(Error::DeviceMismatch { .. })
    ));
    assert_eq!(tensor(&device, &[0, 3, 8], 1).long_conv(&kernel, none).unwrap().shape(), [0, 3, 8]);
    assert_eq!(tensor(&device, &[2, 3, 0], 1).long_conv(&kernel, none).unwrap().shape(), [2, 3, 0]);
    assert!(LongConvolution::new(kernel.clone(), Some(short)).is_err());
}

#[test]
fn a_refused_step_leaves_the_stream_as_it_was() {
    let device = cpu(1);
    let kept = LongConvolution::new(tensor(&device, &[3, 5], 1), None).unwrap();
    assert!(kept.stream(0, 3).unwrap_err().to_string().contains("batch = 0"));
    assert!(kept.stream(1, 2).unwrap_err().to_string().contains("channels = 2"));
    assert!(kept.stream(1, 0).unwrap_err().to_string().contains("channels = 0"));
    let mut stream = kept.stream(1, 3).unwrap();
    let mut same = kept.stream(1, 3).unwrap();
    for i in 0..9 {
        let u = tensor(&device, &[1, 3], i);
        assert!(stream.step(&tensor(&device, &[3, 1], i)).is_err());
        assert!(stream.extend(&tensor(&device, &[1, 2, 4], i)).is_err());
        assert!(stream.step(&u.to_dtype(DType::F64).unwrap()).is_err());
        let (a, b) = (stream.step(&u).unwrap(), same.step(&u).unwrap());
        assert_eq!(a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    }
    assert_eq!(stream.position(), 9);
}
