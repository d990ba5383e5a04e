//! Convolutions on the processor: random problems against the definition, linearity, both sides of the planner's choices, kept spectra, equal
//! bits for any number of threads, and what is not finite.

use fft_core::convolution::{Conv, ConvGeometry, ConvMethod, ConvPlan, ConvSpec, ConvWay, PaddingMode};
use fft_core::{DType, Device, Tensor, reference};
use proptest::prelude::*;

fn cpu(threads: usize) -> Device {
    fft_cpu::device(fft_cpu::CpuOptions { threads: Some(threads), ..Default::default() }).unwrap()
}

/// Deterministic numbers in -1..1 that `f32` holds exactly.
fn noise(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1u64 << 23) as f64 - 1.0
        })
        .collect()
}

fn tensor(device: &Device, values: &[f64], shape: &[usize], dtype: DType) -> Tensor {
    Tensor::from_slice(device, values, shape).and_then(|t| t.to_dtype(dtype)).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).and_then(|x| x.to_vec()).unwrap()
}

/// A convolution with its result by the definition, and how much each output may be off.
struct Problem {
    x: Vec<f64>,
    w: Vec<f64>,
    bias: Vec<f64>,
    x_shape: Vec<usize>,
    w_shape: Vec<usize>,
    spec: ConvSpec,
    /// Of the input with its padding.
    geometry: ConvGeometry,
    want: Vec<f64>,
    /// The sum of the absolute values of the terms of each output.
    terms: Vec<f64>,
}

impl Problem {
    fn new(x_shape: &[usize], w_shape: &[usize], spec: ConvSpec, seed: u64) -> fft_core::Result<Self> {
        let asked = ConvGeometry::new("conv", x_shape, w_shape, &spec)?;
        let (x, w) = (noise(x_shape.iter().product(), seed), noise(w_shape.iter().product(), !seed));
        let bias = noise(w_shape[0], seed ^ 99);
        // The input with its padding, element by element.
        let mut shape = x_shape[..2].to_vec();
        shape.extend((0..asked.axes()).map(|a| asked.padded(a)));
        let around: Vec<f64> = (0..shape.iter().product::<usize>())
            .map(|flat| {
                let (mut rest, mut at, mut step) = (flat, 0, 1);
                for axis in (0..shape.len()).rev() {
                    let index = rest % shape[axis];
                    rest /= shape[axis];
                    let before = axis.checked_sub(2).map_or(0, |a| asked.padding[a][0]);
                    let Some(index) = reference::padded_index(index, before, x_shape[axis], spec.mode) else {
                        return 0.0;
                    };
                    at += index * step;
                    step *= x_shape[axis];
                }
                x[at]
            })
            .collect();
        let bare = spec.clone().padding(&vec![0; spec.axes()]);
        let geometry = ConvGeometry::new("conv", &shape, w_shape, &bare)?;
        let absolute = |v: &[f64]| v.iter().map(|v| v.abs()).collect::<Vec<_>>();
        let outputs: usize = geometry.output.iter().product();
        let mut want = reference::convolution(&around, &w, &geometry);
        let mut terms = reference::convolution(&absolute(&around), &absolute(&w), &geometry);
        for (i, (want, terms)) in want.iter_mut().zip(&mut terms).enumerate() {
            let bias = bias[i / outputs % w_shape[0]];
            *want += bias;
            *terms += bias.abs();
        }
        let (x_shape, w_shape) = (x_shape.to_vec(), w_shape.to_vec());
        Ok(Self { x, w, bias, x_shape, w_shape, spec, geometry, want, terms })
    }

    fn operands(&self, device: &Device, dtype: DType) -> [Tensor; 3] {
        [
            tensor(device, &self.x, &self.x_shape, dtype),
            tensor(device, &self.w, &self.w_shape, dtype),
            tensor(device, &self.bias, &self.w_shape[..1], dtype),
        ]
    }

    /// Bounds that hold for any operands. Direct: each of `n` terms is rounded at most `n` times, `n epsilon` of their absolute sum.
    /// Spectral: three transforms and a product are off by `epsilon (3 log2(points) + 2)` of the norms that they preserve: of an output, the largest value of
    /// the kernel's spectrum, at most the absolute sum of its taps, times the norm of the tile. Twice that, for the oracle's own rounding.
    fn check(&self, y: &Tensor, what: &str) {
        let g = &self.geometry;
        assert_eq!(y.shape(), g.output_shape().as_slice(), "{what}");
        let epsilon = y.dtype().epsilon();
        let count = (g.channels_in * g.kernel.iter().product::<usize>() + 1) as f64;
        let points: usize = (0..g.axes()).map(|a| 2 * g.padded(a) + 2).product();
        let taps = self.w.len() / self.w_shape[0];
        let longest = self.w.chunks(taps).map(|w| w.iter().map(|v| v.abs()).sum::<f64>()).fold(0.0, f64::max);
        let padded: usize = (0..g.axes()).map(|a| g.padded(a)).product();
        let inputs: usize = self.x_shape[2..].iter().product();
        // Padding may repeat an element as often as the padded input is longer.
        let repeats = (padded as f64 / inputs as f64).max(1.0);
        let norm = self.x.iter().map(|v| v * v).sum::<f64>().sqrt() * repeats;
        let spectral = (3.0 * (points as f64).log2() + 2.0) * longest * norm;
        for (i, (got, want)) in values(y).iter().zip(&self.want).enumerate() {
            let bound = 2.0 * epsilon * (count * self.terms[i]).max(spectral);
            let error = (got - want).abs();
            assert!(
                error <= bound,
                "{what}: output {i} is {got} instead of {want}, off by {error:e}, bound {bound:e}"
            );
        }
    }

    /// Only the rounding of a sum is allowed.
    fn check_direct(&self, y: &Tensor, what: &str) {
        let count = (self.geometry.channels_in * self.geometry.kernel.iter().product::<usize>() + 1) as f64;
        for (i, (got, want)) in values(y).iter().zip(&self.want).enumerate() {
            let bound = 2.0 * y.dtype().epsilon() * count * self.terms[i];
            assert!((got - want).abs() <= bound, "{what}: output {i} is {got} instead of {want}");
        }
    }
}

const MODES: [PaddingMode; 4] =
    [PaddingMode::Zeros, PaddingMode::Circular, PaddingMode::Reflect, PaddingMode::Replicate];

/// Shapes of input and weight, and what is asked; some do not fit together.
fn problems() -> impl Strategy<Value = (Vec<usize>, Vec<usize>, ConvSpec)> {
    let channels = (1usize..4, 1usize..4, 1usize..4, 1usize..4);
    (1usize..4, channels, 0usize..4).prop_flat_map(|(axes, channels, mode)| {
        let longest = [90, 14, 6][axes - 1];
        let each = move |range: std::ops::Range<usize>| prop::collection::vec(range, axes);
        let padding = prop::collection::vec((0usize..7, 0usize..7), axes);
        let parts = (each(1..longest), each(1..longest / 2), each(1..4), each(1..4), padding);
        parts.prop_map(move |(length, taps, stride, dilation, padding)| {
            let (batch, groups, inputs, outputs) = channels;
            // Mostly padding that its mode allows.
            let sides: Vec<_> = padding
                .iter()
                .zip(&length)
                .map(|(&(a, b), &n)| if mode == 0 { [a, b] } else { [a.min(n - 1), b.min(n - 1)] })
                .collect();
            let spec = ConvSpec::new(axes).groups(groups).stride(&stride).dilation(&dilation);
            let (mut x, mut w) = (vec![batch, groups * inputs], vec![groups * outputs, inputs]);
            x.extend(length);
            w.extend(taps);
            (x, w, spec.padding_sides(&sides).mode(MODES[mode]))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    /// Every method against the definition, in both precisions; a problem that the sizes refuse is an error.
    #[test]
    fn every_method_is_the_definition((x, w, spec) in problems(), extra in 0usize..40, seed: u64) {
        let device = cpu(2);
        let Ok(p) = Problem::new(&x, &w, spec.clone(), seed) else {
            let (x, w) = (Tensor::zeros(&device, &x, DType::F32).unwrap(), Tensor::zeros(&device, &w, DType::F32).unwrap());
            prop_assert!(x.conv(&w, None, &spec).is_err());
            return Ok(());
        };
        let reach: Vec<usize> = (0..spec.axes()).map(|a| (p.geometry.reach(a) + extra).max(2)).collect();
        for dtype in [DType::F64, DType::F32] {
            let [x, w, bias] = p.operands(&device, dtype);
            for method in [ConvMethod::Auto, ConvMethod::Direct, ConvMethod::Fft, ConvMethod::tiles(&reach)] {
                let y = x.conv_with(&w, Some(&bias), &spec, &method).unwrap();
                let what = format!("{method:?} in {dtype} of {:?}", p.geometry);
                p.check(&y, &what);
                if method == ConvMethod::Direct {
                    p.check_direct(&y, &what);
                }
            }
        }
    }

    /// `conv(2 x + z) = 2 conv(x) + conv(z)`, and a shifted input has a shifted output, by every method.
    #[test]
    fn linear_and_invariant_to_shifts(length in 20usize..200, taps in 1usize..20, shift in 1usize..10, seed: u64) {
        let device = cpu(1);
        let spec = ConvSpec::new(1);
        let line = |values: &[f64]| tensor(&device, values, &[1, 1, length], DType::F64);
        let (x, z) = (noise(length, seed), noise(length, !seed));
        let both: Vec<f64> = x.iter().zip(&z).map(|(x, z)| 2.0 * x + z).collect();
        let mut later = vec![0.0; length];
        later[shift..].copy_from_slice(&x[..length - shift]);
        let w = tensor(&device, &noise(taps, seed ^ 1), &[1, 1, taps], DType::F64);
        for method in [ConvMethod::Direct, ConvMethod::Fft, ConvMethod::tiles(&[2 * taps])] {
            let conv = |v: &[f64]| values(&line(v).conv_with(&w, None, &spec, &method).unwrap());
            let (x, z, both, later) = (conv(&x), conv(&z), conv(&both), conv(&later));
            // Values up to 60, off by less than 1e-13 each.
            for i in 0..both.len() {
                prop_assert!((both[i] - 2.0 * x[i] - z[i]).abs() < 1e-12, "{method:?}");
                if i >= shift {
                    prop_assert!((later[i] - x[i - shift]).abs() < 1e-12, "{method:?}");
                }
            }
        }
    }
}

#[test]
fn both_sides_of_each_choice_agree() {
    let device = cpu(2);
    let costs = device.conv_costs();
    for (input, channels_out, axes) in [
        (vec![1, 1, 5000], 1, 1),
        (vec![2, 3, 700], 3, 1),
        (vec![1, 1, 60, 50], 1, 2),
        (vec![1, 2, 24, 26, 28], 2, 3),
    ] {
        let weight = |taps: usize| {
            let mut shape = vec![channels_out, input[1]];
            shape.extend(std::iter::repeat_n(taps, axes));
            shape
        };
        let kind = |taps: usize| {
            let g = ConvGeometry::new("conv", &input, &weight(taps), &ConvSpec::new(axes)).unwrap();
            match ConvPlan::new(&g, DType::F32, &costs, false).way {
                ConvWay::Direct => "direct",
                ConvWay::Fft { tile } if (0..axes).all(|a| g.tiles(a, tile[a]) == 1) => "whole",
                ConvWay::Fft { .. } => "tiles",
            }
        };
        let longest = input[2..].iter().copied().min().unwrap();
        let changes: Vec<usize> = (2..=longest).filter(|&taps| kind(taps) != kind(taps - 1)).collect();
        assert!(!changes.is_empty(), "one way for all kernels along {input:?}");
        for change in changes.into_iter().take(8) {
            for taps in [change - 1, change] {
                let p = Problem::new(&input, &weight(taps), ConvSpec::new(axes), taps as u64).unwrap();
                let [x, w, bias] = p.operands(&device, DType::F32);
                p.check(&x.conv(&w, Some(&bias), &p.spec).unwrap(), &format!("{taps} taps along {input:?}"));
            }
        }
    }
}

#[test]
fn a_kept_spectrum_is_not_computed_again() {
    let device = cpu(2);
    let make = |n: usize, shape: &[usize]| {
        tensor(&device, &noise(shape.iter().product(), n as u64), shape, DType::F32)
    };
    let conv = Conv::new(make(1, &[2, 2, 300]), None, ConvSpec::new(1)).unwrap().with_method(ConvMethod::Fft);
    let x = make(2, &[3, 2, 5000]);
    let first = values(&conv.apply(&x).unwrap());
    let stats = conv.stats();
    assert_eq!((stats.spectra_computed, stats.spectra_kept, stats.ways_planned), (1, 1, 1));
    let plans = device.cache_stats().plans_created;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(values(&conv.apply(&x).unwrap()), first));
        }
    });
    assert_eq!(conv.stats(), stats);
    assert_eq!(device.cache_stats().plans_created, plans);
    // What is kept has bounds, and drops with the convolution.
    let in_use = device.memory().usage().in_use;
    for length in (400..4000).step_by(40) {
        conv.apply(&make(3, &[1, 2, length])).unwrap();
    }
    let stats = conv.stats();
    assert!(stats.spectra_kept == 4 && stats.ways_kept == 64, "{stats:?}");
    drop(conv);
    assert!(device.memory().usage().in_use < in_use);
}

#[test]
fn plans_are_explained() {
    let device = cpu(1);
    let weight = Tensor::zeros(&device, &[1, 1, 4096], DType::F32).unwrap();
    let conv = Conv::new(weight, None, ConvSpec::new(1).causal()).unwrap();
    let explanation = conv.explain(&[1, 1, 65536]).unwrap();
    assert_eq!(conv.explain(&[1, 65536]).unwrap(), explanation);
    let text = explanation.to_string();
    assert!(text.contains("points") && text.contains("direct: ") && text.contains("constants: "), "{text}");
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["candidates"][0]["way"], "direct");
    assert!(json["chosen"]["way"]["fft"]["tile"][0].as_u64().is_some_and(|points| points >= 4096), "{json}");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let run = |threads: usize| {
        let device = cpu(threads);
        let mut all = Vec::new();
        for (x, w, spec) in [
            (vec![2, 4, 3000], vec![6, 2, 90], ConvSpec::new(1).groups(2)),
            (vec![1, 1, 20_000], vec![1, 1, 501], ConvSpec::new(1).causal()),
            (vec![2, 8, 40, 40], vec![8, 8, 3, 3], ConvSpec::new(2).same()),
            (vec![1, 3, 64, 70], vec![3, 1, 15, 15], ConvSpec::new(2).groups(3).same()),
            (vec![1, 2, 12, 12, 12], vec![2, 2, 5, 5, 5], ConvSpec::new(3)),
        ] {
            let p = Problem::new(&x, &w, spec.clone(), 5).unwrap();
            let [x, w, bias] = p.operands(&device, DType::F32);
            for method in [ConvMethod::Auto, ConvMethod::Direct, ConvMethod::Fft] {
                all.push(x.conv_with(&w, Some(&bias), &spec, &method).unwrap().to_vec::<f32>().unwrap());
            }
        }
        all
    };
    let one = run(1);
    for threads in [2, 3] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

#[test]
fn halves_are_computed_in_f32() {
    let device = cpu(1);
    for dtype in [DType::F16, DType::BF16] {
        let rounded = |n: usize, shape: &[usize]| {
            let t = tensor(&device, &noise(shape.iter().product(), n as u64), shape, dtype);
            (t.clone(), t.to_dtype(DType::F32).unwrap())
        };
        let ((x, x32), (w, w32), (b, b32)) =
            (rounded(1, &[2, 3, 40]), rounded(2, &[4, 3, 9]), rounded(3, &[4]));
        let spec = ConvSpec::new(1).same().mode(PaddingMode::Reflect);
        let y = x.conv1d(&w, Some(&b), &spec).unwrap();
        assert_eq!(y.dtype(), dtype);
        let want = x32.conv1d(&w32, Some(&b32), &spec).unwrap();
        assert_eq!(values(&y), values(&want.to_dtype(dtype).unwrap()));
        let kept = Conv::new(w.clone(), Some(b), spec).unwrap().apply(&x).unwrap();
        assert_eq!((kept.dtype(), values(&kept)), (dtype, values(&y)));
        let transposed =
            x.conv_transpose1d(&w.transpose(0, 1).unwrap(), None, &ConvSpec::new(1), &[0]).unwrap();
        assert_eq!((transposed.dtype(), transposed.shape()), (dtype, &[2, 4, 48][..]));
    }
}

#[test]
fn what_is_not_finite_passes_through() {
    let device = cpu(1);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut line = noise(200, 1);
        line[100] = bad;
        let x = tensor(&device, &line, &[1, 1, 200], DType::F32);
        let w = tensor(&device, &[0.5, -2.0, 1.0, 4.0, 0.25], &[1, 1, 5], DType::F32);
        let finite = |method: &ConvMethod| -> Vec<bool> {
            let y = x.conv_with(&w, None, &ConvSpec::new(1), method).unwrap();
            values(&y).iter().map(|v| v.is_finite()).collect()
        };
        // Only the windows that see it, as the frameworks.
        let direct = finite(&ConvMethod::Direct);
        assert!((0..196).all(|o| direct[o] != (96..=100).contains(&o)));
        // At most the tiles that see it: of 20 points, 16 outputs each, so outputs 80 to 112.
        let tiled = finite(&ConvMethod::tiles(&[20]));
        assert!((96..=100).all(|o| !tiled[o]));
        assert!((0..80).chain(112..196).all(|o| tiled[o]));
        assert!((96..=100).all(|o| !finite(&ConvMethod::Fft)[o]));
    }
}

#[test]
fn inputs_without_a_batch_and_with_an_empty_one() {
    let device = cpu(1);
    let w = tensor(&device, &noise(4 * 3 * 2, 1), &[4, 3, 2], DType::F32);
    let x = tensor(&device, &noise(3 * 6, 2), &[3, 6], DType::F32);
    let spec = ConvSpec::new(1);
    let y = x.conv1d(&w, None, &spec).unwrap();
    let batched = x.unsqueeze(0).unwrap().conv1d(&w, None, &spec).unwrap();
    assert_eq!((y.shape(), values(&y)), (&[4, 5][..], values(&batched)));
    let kept = Conv::new(w.clone(), None, spec.clone()).unwrap();
    assert_eq!(kept.apply(&x).unwrap().shape(), [4, 5]);
    let none = Tensor::zeros(&device, &[0, 3, 6], DType::F32).unwrap();
    assert_eq!(none.conv1d(&w, None, &spec).unwrap().shape(), [0, 4, 5]);
    assert_eq!(kept.apply(&none).unwrap().shape(), [0, 4, 5]);
    let w = w.transpose(0, 1).unwrap();
    assert_eq!(x.conv_transpose1d(&w, None, &spec, &[0]).unwrap().shape(), [4, 7]);
    assert_eq!(none.conv_transpose1d(&w, None, &spec, &[0]).unwrap().shape(), [0, 4, 7]);
}

#[test]
fn linear_maps_by_spectra_are_matrix_products() {
    let device = cpu(1);
    for n in [1, 2, 3, 8, 15, 64, 97] {
        for dtype in [DType::F64, DType::F32, DType::F16] {
            let make = |seed: u64, shape: &[usize]| {
                tensor(&device, &noise(shape.iter().product(), seed), shape, dtype)
            };
            let (x, w, bias) = (make(1, &[3, 4, n]), make(2, &[3, 5, n]), make(3, &[3, 5]));
            let close = |got: &Tensor, want: &Tensor| {
                let (got, want) = (values(got), values(want));
                // Two transforms and a sum, and for halves the rounding of the result.
                let epsilon = if dtype == DType::F64 { f64::EPSILON } else { f32::EPSILON as f64 };
                let sum = 2.0 * epsilon * (2.0 * (n as f64).log2() + n as f64 + 4.0) * n as f64;
                for (g, w) in got.iter().zip(&want) {
                    let bound = sum + if dtype == DType::F16 { 1e-3 * (w.abs() + 1e-3) } else { 0.0 };
                    assert!((g - w).abs() <= bound, "{n} in {dtype}: {g} instead of {w}");
                }
            };
            let wide = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
            let product = wide(&x).matmul(&wide(&w).transpose(1, 2).unwrap()).unwrap();
            let product = product.add(&wide(&bias).unsqueeze(1).unwrap()).unwrap();
            close(&x.frequency_linear_batched(&w, Some(&bias)).unwrap(), &product);
            let (w, bias) = (w.narrow(0, 0, 1).unwrap(), bias.narrow(0, 0, 1).unwrap());
            let product = wide(&x).matmul(&wide(&w).transpose(1, 2).unwrap()).unwrap();
            let product = product.add(&wide(&bias)).unwrap();
            let (w, bias) = (w.squeeze(0).unwrap(), bias.squeeze(0).unwrap());
            close(&x.frequency_linear(&w, Some(&bias)).unwrap(), &product);
        }
    }
}

#[test]
fn a_long_stride_spreads_products() {
    let device = cpu(1);
    let x = Tensor::from_slice(&device, &[1f32, 2.0, 3.0, 4.0], &[1, 1, 2, 2]).unwrap();
    let w = Tensor::from_slice(&device, &[5f32, 6.0, 7.0, 8.0], &[1, 1, 2, 2]).unwrap();
    let bias = Tensor::from_slice(&device, &[-1f32], &[1]).unwrap();
    let spec = ConvSpec::new(2).stride(&[1000, 1000]);
    let y = x.conv_transpose2d(&w, Some(&bias), &spec, &[0, 0]).unwrap();
    assert_eq!(y.shape(), [1, 1, 1002, 1002]);
    let mut want = vec![-1f32; 1002 * 1002];
    for (i, a) in [1f32, 2.0, 3.0, 4.0].into_iter().enumerate() {
        for (k, b) in [5f32, 6.0, 7.0, 8.0].into_iter().enumerate() {
            want[(i / 2 * 1000 + k / 2) * 1002 + i % 2 * 1000 + k % 2] += a * b;
        }
    }
    assert!(y.to_vec::<f32>().unwrap() == want);
}
