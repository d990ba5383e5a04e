//! Long convolutions on the processor: memory, reuse, equal bits for any number of threads, and what is refused.

use fft_core::convolution::{LongConvTerms, LongConvolution};
use fft_core::{DType, Device, Error, Tensor};
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
fn peak_memory_is_input_output_and_a_quarter() {
    for threads in [1, 2] {
        for (batch, channels, length) in [(8, 64, 4096), (1, 64, 4096), (2, 32, 1000), (1, 2, 100_000)] {
            let device = cpu(threads);
            let u = tensor(&device, &[batch, channels, length], 1);
            let gates = [2, 3].map(|seed| tensor(&device, &[batch, channels, length], seed));
            let (kernel, skip) = (tensor(&device, &[channels, length], 4), tensor(&device, &[channels], 5));
            let terms = LongConvTerms { skip: Some(&skip), before: Some(&gates[0]), after: Some(&gates[1]) };
            let kept = LongConvolution::new(kernel.clone(), Some(skip.clone())).unwrap();
            drop(kept.apply(&u).unwrap());
            // A thread holds a padded line, a spectrum of the kernel unless that is kept, and as much scratch of the transform, each of two
            // lengths or little more, rounded up to what the pool hands out: more than a quarter when there are few lines.
            for (lines, kept) in [(7, None), (5, Some(&kept))] {
                let before = device.memory().usage().in_use;
                device.memory().reset_peak();
                let y = match kept {
                    None => u.long_conv(&kernel, terms).unwrap(),
                    Some(kept) => kept.apply_gated(&u, Some(&gates[0]), Some(&gates[1])).unwrap(),
                };
                let more = device.memory().usage().peak - before;
                let (input, output) = (u.bytes(), y.bytes());
                let lines = if batch * channels >= 32 { 0 } else { threads * lines * length * 4 };
                assert!(
                    more <= output + (input + output) / 4 + lines,
                    "{batch} x {channels} x {length}, {threads} threads: {more} bytes for {input} in and {output} out"
                );
            }
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
        for (shape, taps) in [([3, 70, 500], 500), ([1, 1, 200_000], 900), ([40, 1, 64], 64)] {
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
