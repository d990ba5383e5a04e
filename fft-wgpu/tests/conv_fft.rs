//! Convolutions by the convolution theorem against the definition in `f64`: geometries at random, shared spectra, operands in parts, and what is made.

mod common;

use common::open;
use fft_core::convolution::{Conv, ConvGeometry, ConvMethod, ConvSpec};
use fft_core::{Device, Result, Tensor, reference};
use fft_wgpu::WgpuOptions;

/// Numbers that repeat from run to run (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 20) as usize % n
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn numbers(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }
}

/// A convolution with numbers for its operands.
struct Problem {
    x: Vec<f32>,
    w: Vec<f32>,
    bias: Option<Vec<f32>>,
    x_shape: Vec<usize>,
    w_shape: Vec<usize>,
    spec: ConvSpec,
}

impl Problem {
    fn new(random: &mut Random, x_shape: &[usize], w_shape: &[usize], spec: ConvSpec, bias: bool) -> Self {
        Self {
            x: random.numbers(x_shape.iter().product()),
            w: random.numbers(w_shape.iter().product()),
            bias: bias.then(|| random.numbers(w_shape[0])),
            x_shape: x_shape.to_vec(),
            w_shape: w_shape.to_vec(),
            spec,
        }
    }

    fn geometry(&self) -> ConvGeometry {
        ConvGeometry::new("conv", &self.x_shape, &self.w_shape, &self.spec).unwrap()
    }

    /// The inputs in row-major order, or seen through strides.
    fn input(&self, device: &Device, strided: bool) -> Tensor {
        let x = Tensor::from_slice(device, &self.x, &self.x_shape).unwrap();
        if !strided {
            return x;
        }
        let axes: Vec<usize> = (0..self.x_shape.len()).rev().collect();
        x.permute(&axes).unwrap().contiguous().unwrap().permute(&axes).unwrap()
    }

    /// Fails unless `got` is as near as the conformance cases ask of tiles of so many points, relative to what the sums of independent terms come to.
    fn check(&self, got: &Tensor, tile: &[usize], what: &str) {
        let g = self.geometry();
        assert_eq!(got.shape(), &g.output_shape()[..], "{what}");
        let wide = |v: &[f32]| v.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let sizes = |v: &[f32]| v.iter().map(|&x| f64::from(x.abs())).collect::<Vec<_>>();
        let want = reference::convolution(&wide(&self.x), &wide(&self.w), &g);
        let size = reference::convolution(&sizes(&self.x), &sizes(&self.w), &g);
        let terms = (g.channels_in * g.kernel.iter().product::<usize>()) as f64;
        let outputs = g.output.iter().product::<usize>();
        let channels = g.groups * g.channels_out;
        let (mut error, mut whole) = (0.0, 0.0);
        for (i, got) in got.to_vec::<f32>().unwrap().into_iter().enumerate() {
            let bias = self.bias.as_ref().map_or(0.0, |b| f64::from(b[i / outputs % channels]));
            error += (f64::from(got) - want[i] - bias).powi(2);
            whole += (size[i] / terms.sqrt()).powi(2) + bias * bias;
        }
        let points = tile.iter().product::<usize>() * g.channels_in;
        let bound = 3.0 * f64::from(f32::EPSILON) * (points as f64).log2().max(1.0);
        assert!(error.sqrt() <= bound * whole.sqrt(), "{what}: {:e} > {bound:e}", (error / whole).sqrt());
    }

    fn run(&self, device: &Device, tile: &[usize], strided: bool) -> Result<Tensor> {
        let w = Tensor::from_slice(device, &self.w, &self.w_shape)?;
        let bias = self.bias.as_ref().map(|b| Tensor::from_slice(device, b, &[b.len()])).transpose()?;
        self.input(device, strided).conv_with(&w, bias.as_ref(), &self.spec, &ConvMethod::tiles(tile))
    }
}

#[test]
fn geometries_at_random() {
    let checked = WgpuOptions { default_limits: true, validation: true, ..Default::default() };
    for (options, seeds) in [(WgpuOptions::default(), 1..60u64), (checked, 60..90)] {
        let Some(device) = open(options) else { return };
        for seed in seeds {
            let mut random = Random(seed * 0x9e37_79b9_7f4a);
            let axes = 1 + random.below(3);
            let groups = 1 + random.below(3);
            let channels = random.one_of(&[[1, 1], [1, 1], [1, 3], [2, 1], [3, 5]]);
            let batch = random.one_of(&[0, 1, 1, 3]);
            let mut spec = ConvSpec::new(axes).groups(groups);
            let (mut x, mut w) = (vec![batch, groups * channels[0]], vec![groups * channels[1], channels[0]]);
            let most = [200, 24, 9][axes - 1];
            let (mut tile, mut sides) = (Vec::new(), Vec::new());
            let (mut stride, mut dilation) = (Vec::new(), Vec::new());
            for _ in 0..axes {
                let taps = 1 + random.below(most / 2);
                let apart = random.one_of(&[1, 1, 2, 3]);
                let reach = (taps - 1) * apart + 1;
                let padding =
                    random.one_of(&[[0, 0], [taps / 2, taps / 2], [reach - 1, 0], [1, most], [most, 2]]);
                let least = (reach + 1).saturating_sub(padding[0] + padding[1]).max(1);
                x.push(least + random.below(most));
                w.push(taps);
                stride.push(random.one_of(&[1, 1, 1, 2, 3, 50]));
                dilation.push(apart);
                sides.push(padding);
                tile.push(reach + random.one_of(&[0, 1, 5, 17, most]));
            }
            spec = spec.stride(&stride).dilation(&dilation).padding_sides(&sides);
            let problem = Problem::new(&mut random, &x, &w, spec, seed % 2 == 0);
            let what = format!("{seed}: {x:?} * {w:?}, tiles of {tile:?}, {:?}", problem.spec);
            problem.check(&problem.run(&device, &tile, seed % 3 == 0).unwrap(), &tile, &what);
        }
    }
}

/// The lengths at which tiles are full, and the next ones; rows and columns as long as a workgroup holds, and longer.
#[test]
fn lengths_around_those_of_tiles_and_workgroups() {
    let Some(device) = open(WgpuOptions { default_limits: true, ..Default::default() }) else { return };
    let mut random = Random(77);
    for (length, taps, tile) in [
        (4096, 5, 4096),
        (4097, 5, 4096),
        (4092, 5, 4100),
        (640, 17, 640),
        (641, 17, 640),
        (63, 2, 64),
        (64, 64, 64),
        (65, 64, 64),
    ] {
        for (x, w, tile) in
            [([1, 2, length], [2, 1, taps], vec![tile]), ([1, 2, length], [1, 2, taps], vec![tile])]
        {
            let spec = ConvSpec::new(1).groups(w[0]).padding(&[taps / 2]);
            let problem = Problem::new(&mut random, &x, &w, spec, true);
            problem.check(
                &problem.run(&device, &tile, false).unwrap(),
                &tile,
                &format!("{length}, {tile:?}"),
            );
        }
    }
    for (rows, columns, tile) in
        [(2048, 5, [2048, 8]), (2050, 5, [2048, 8]), (2052, 5, [2060, 8]), (3, 4100, [4, 4096])]
    {
        let spec = ConvSpec::new(2).padding(&[1, 1]);
        let problem = Problem::new(&mut random, &[1, 1, rows, columns], &[1, 1, 3, 4], spec, false);
        problem.check(&problem.run(&device, &tile, false).unwrap(), &tile, &format!("{rows} x {columns}"));
    }
}

#[test]
fn a_prepared_kernel_has_one_spectrum_for_inputs_of_many_shapes() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let mut random = Random(5);
    for (channels, groups) in [([4, 4], 4), ([4, 6], 2)] {
        let w_shape = [channels[1], channels[0] / groups, 7, 9];
        let spec = ConvSpec::new(2).groups(groups).padding(&[3, 4]);
        let w = random.numbers(w_shape.iter().product());
        let tile = [24, 31];
        let weight = Tensor::from_slice(&device, &w, &w_shape).unwrap();
        let conv = Conv::new(weight, None, spec.clone()).unwrap().with_method(ConvMethod::tiles(&tile));
        for x in [[1, channels[0], 20, 20], [3, channels[0], 61, 40], [2, channels[0], 1, 90]] {
            let mut problem = Problem::new(&mut random, &x, &w_shape, spec.clone(), false);
            problem.w.clone_from(&w);
            problem.check(&conv.apply(&problem.input(&device, false)).unwrap(), &tile, &format!("{x:?}"));
        }
        assert_eq!(conv.stats().spectra_computed, 1);
    }
}

/// Operands, results and tiles larger than a binding; outputs further apart than numbers of 31 bits reach.
#[test]
fn what_no_kernel_holds_goes_in_parts() {
    let Some(device) = open(WgpuOptions { max_binding: Some(1 << 16), ..Default::default() }) else { return };
    let mut random = Random(9);
    let two = ConvSpec::new(2);
    for (x, w, spec, tile) in [
        (vec![3, 4, 100, 70], vec![4, 1, 5, 5], two.clone().groups(4).padding(&[2, 2]), vec![16, 16]),
        (vec![1, 3, 70, 300], vec![2, 3, 3, 4], two.clone().padding_sides(&[[2, 0], [0, 3]]), vec![16, 20]),
        (
            vec![1, 1, 150, 160],
            vec![1, 1, 3, 3],
            two.clone().stride(&[2, 3]).padding(&[40, 50]),
            vec![12, 12],
        ),
        (vec![1, 6, 30, 31], vec![12, 1, 9, 7], two.groups(6), vec![16, 16]),
        (vec![2, 2, 20_000], vec![2, 1, 40], ConvSpec::new(1).groups(2).padding_sides(&[[39, 0]]), vec![128]),
        (vec![1, 1, 40], vec![1, 1, 3], ConvSpec::new(1).padding(&[1 << 33]).stride(&[1 << 32]), vec![4]),
    ] {
        let problem = Problem::new(&mut random, &x, &w, spec, true);
        problem.check(&problem.run(&device, &tile, false).unwrap(), &tile, &format!("{x:?} * {w:?}"));
    }
}

#[test]
fn few_kernels_the_same_bits_and_nothing_new() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let mut random = Random(3);
    for (x, w, groups, tile, kernels) in [
        (vec![2, 4, 300], vec![4, 1, 9], 4, vec![64], 1),
        (vec![2, 4, 300], vec![8, 1, 9], 4, vec![64], 1),
        (vec![2, 4, 300], vec![12, 1, 9], 4, vec![64], 2),
        (vec![2, 4, 300], vec![4, 4, 9], 1, vec![64], 3),
        (vec![2, 4, 40, 50], vec![4, 1, 5, 5], 4, vec![16, 16], 3),
        (vec![2, 4, 40, 50], vec![8, 1, 5, 5], 4, vec![64, 64], 4),
        (vec![2, 4, 40, 50], vec![4, 4, 5, 5], 1, vec![16, 16], 5),
        (vec![1, 2, 12, 13, 14], vec![2, 1, 3, 3, 3], 2, vec![8, 8, 8], 5),
        (vec![1, 2, 12, 13, 14], vec![2, 2, 3, 3, 3], 1, vec![8, 8, 8], 7),
    ] {
        let spec = ConvSpec::new(x.len() - 2).groups(groups);
        let problem = Problem::new(&mut random, &x, &w, spec, false);
        let weight = Tensor::from_slice(&device, &problem.w, &w).unwrap();
        let conv = Conv::new(weight, None, problem.spec.clone()).unwrap();
        let conv = conv.with_method(ConvMethod::tiles(&tile));
        let input = problem.input(&device, false);
        let first = conv.apply(&input).unwrap();
        problem.check(&first, &tile, &format!("{x:?} * {w:?}"));
        let first = first.to_bytes().unwrap();
        for _ in 0..2 {
            conv.apply(&input).unwrap().to_bytes().unwrap();
        }
        let before = fft_wgpu::stats(&device).unwrap();
        assert!(
            conv.apply(&input).unwrap().to_bytes().unwrap() == first,
            "other bits than at the first call"
        );
        let after = fft_wgpu::stats(&device).unwrap();
        assert_eq!(after.dispatches - before.dispatches, kernels, "{x:?} * {w:?}");
        assert_eq!(
            (before.pipelines, before.bind_groups, before.buffers),
            (after.pipelines, after.bind_groups, after.buffers)
        );
    }
}
