//! Convolutions as sums over taps, against the definition in `f64`: any geometry, long sums, views, batches larger than a binding.

mod common;
mod steady;

use common::open;
use fft_core::conformance::compare::close_l2;
use fft_core::conformance::sample::{Array, Random};
use fft_core::convolution::{ConvGeometry, ConvSpec};
use fft_core::{DType, Device, Tensor, reference};
use fft_wgpu::WgpuOptions;
use steady::makes_nothing_new;

/// The direct way, with and without a bias, in every memory layout of the input: the error of a sum whose roundings are independent at most.
fn check(device: &Device, random: &mut Random, x: &[usize], w: &[usize], spec: &ConvSpec) {
    let g = ConvGeometry::new("conv", x, w, spec).unwrap();
    let (x, w) = (random.array(x, DType::F32), random.array(w, DType::F32));
    let bias = random.array(&[w.shape[0]], DType::F32);
    let shape = g.output_shape();
    let want = Array::real(&shape, reference::convolution(&x.re(), &w.re(), &g));
    let with_bias = Array::from_fn(&shape, |i| want.at(i) + bias.data[i[1]]);
    let (weight, bias) = (w.to(device, DType::F32).unwrap(), bias.to(device, DType::F32).unwrap());
    let terms = g.channels_in * g.kernel.iter().product::<usize>() + 1;
    let bound = DType::F32.epsilon() * (terms as f64).sqrt();
    for (guise, x) in x.guises(device, DType::F32).unwrap() {
        let what = format!("{guise:?}, {g:?}");
        // Windows may see nothing but padding; the bias tells that from zeros.
        if want.data.iter().any(|y| y.re != 0.0) {
            close_l2(&what, &device.conv_direct(&x, &weight, None, &g).unwrap(), &want, bound).unwrap();
        }
        let got = device.conv_direct(&x, &weight, Some(&bias), &g).unwrap();
        close_l2(&what, &got, &with_bias, bound).unwrap();
    }
}

/// A number that is small more often than not, at most `most`.
fn small(random: &mut Random, most: usize) -> usize {
    let most = 1 + random.below(most);
    1 + random.below(most)
}

#[test]
fn any_geometry() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let mut random = Random::new(20);
    for case in 0..240 {
        let axes = 1 + case % 3;
        let groups = [1, 1, 2, 3, 7][random.below(5)];
        let channels_in = [1, 1, 2, 5][random.below(4)];
        let channels_out = [1, 1, 2, 3, 4, 5, 8, 9, 13][random.below(9)];
        let batch = [1, 1, 3][random.below(3)];
        let mut spec = ConvSpec::new(axes).groups(groups);
        let (mut x, mut w) = (vec![batch, groups * channels_in], vec![groups * channels_out, channels_in]);
        for a in 0..axes {
            let taps = small(&mut random, [40, 9, 5][axes - 1]);
            let last = a + 1 == axes;
            spec.stride[a] = small(&mut random, 5);
            spec.dilation[a] = small(&mut random, 5);
            spec.padding[a] = [random.below(4), random.below(4)];
            let reach = (taps - 1) * spec.dilation[a] + 1;
            let outputs = small(&mut random, if last { 70 } else { 12 });
            let length = (reach + (outputs - 1) * spec.stride[a] + random.below(spec.stride[a]))
                .saturating_sub(spec.padding[a][0] + spec.padding[a][1])
                .max(1);
            x.push(length);
            w.push(taps);
            // The padding may reach further than the kernel.
            spec.padding[a][1] += reach.saturating_sub(length + spec.padding[a][0] + spec.padding[a][1]);
        }
        check(&device, &mut random, &x, &w, &spec);
    }
}

/// Around the boundaries of tiles: four and eight channels, four and eight columns, two to four rows.
#[test]
fn boundaries_of_tiles() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let mut random = Random::new(21);
    let two = ConvSpec::new(2).padding(&[1, 1]);
    for channels in [1, 3, 4, 5, 7, 8, 9, 16, 17] {
        for [height, width] in [[1, 3], [2, 7], [3, 3], [3, 8], [4, 9], [5, 15], [8, 16], [9, 17], [13, 33]] {
            check(&device, &mut random, &[1, 2, height, width], &[channels, 2, 3, 3], &two);
            let depthwise = two.clone().groups(channels);
            check(&device, &mut random, &[1, channels, height, width], &[channels, 1, 3, 3], &depthwise);
        }
    }
}

/// More steps than an invocation may take, in one row of taps, in many, and in channels; more taps than a piece of a row has.
#[test]
fn long_sums() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let mut random = Random::new(22);
    let one = ConvSpec::new(1);
    check(&device, &mut random, &[1, 1, 70_003], &[1, 1, 70_000], &one);
    check(&device, &mut random, &[2, 2, 65_541], &[5, 2, 65_537], &one);
    check(&device, &mut random, &[1, 1, 20_000], &[1, 1, 9_997], &one.clone().stride(&[3]).dilation(&[2]));
    for taps in [1023, 1024, 1025, 2047, 2049] {
        check(&device, &mut random, &[1, 3, taps + 9], &[2, 3, taps], &one);
        check(
            &device,
            &mut random,
            &[1, 1, 3 * taps],
            &[4, 1, taps],
            &one.clone().stride(&[3]).padding(&[2]),
        );
    }
    check(&device, &mut random, &[1, 23_000, 5], &[3, 23_000, 3], &one);
    let two = ConvSpec::new(2);
    check(&device, &mut random, &[2, 300, 17, 15], &[9, 300, 15, 15], &two);
    check(&device, &mut random, &[1, 2, 260, 261], &[4, 1, 258, 259], &two.groups(2));
    check(&device, &mut random, &[1, 90, 9, 10, 11], &[2, 90, 9, 9, 9], &ConvSpec::new(3));
}

/// One window for each image: rows of a matrix, where all of it is input.
#[test]
fn single_windows() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let mut random = Random::new(26);
    let two = ConvSpec::new(2);
    for batch in [1, 3, 9] {
        check(&device, &mut random, &[batch, 20, 4, 5], &[33, 20, 4, 5], &two);
        check(
            &device,
            &mut random,
            &[batch, 6, 6, 8],
            &[16, 3, 3, 2],
            &two.clone().groups(2).dilation(&[2, 5]).stride(&[2, 4]),
        );
        check(
            &device,
            &mut random,
            &[batch, 6, 4, 5],
            &[16, 6, 5, 7],
            &two.clone().padding(&[1, 1]).stride(&[2, 2]),
        );
    }
    check(&device, &mut random, &[2, 9, 7_500], &[8, 9, 7_500], &ConvSpec::new(1));
}

#[test]
fn views_that_repeat_or_skip_elements() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let mut random = Random::new(23);
    let (row, w) = (random.array(&[1, 4, 1, 19], DType::F32), random.array(&[6, 4, 3, 3], DType::F32));
    let weight = w.to(&device, DType::F32).unwrap();
    let repeated = row.to(&device, DType::F32).unwrap().broadcast_to(&[3, 4, 11, 19]).unwrap();
    let wide = random.array(&[3, 4, 33, 60], DType::F32).to(&device, DType::F32).unwrap();
    let stepped = wide.step(3, -3).unwrap().step(2, 2).unwrap();
    for x in [repeated, stepped] {
        let values: Vec<f64> = x.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect();
        let g = ConvGeometry::new("conv", x.shape(), &w.shape, &ConvSpec::new(2).padding(&[1, 0])).unwrap();
        let want = Array::real(&g.output_shape(), reference::convolution(&values, &w.re(), &g));
        let got = device.conv_direct(&x, &weight, None, &g).unwrap();
        close_l2("a view", &got, &want, DType::F32.epsilon() * 6.0).unwrap();
    }
}

#[test]
fn batches_larger_than_a_binding_and_none() {
    let small = WgpuOptions { max_binding: Some(64 << 10), validation: true, ..Default::default() };
    let Some(device) = open(small) else { return };
    let mut random = Random::new(24);
    let two = ConvSpec::new(2).padding(&[1, 1]);
    // 5 images of 20 KiB; weights of more than a binding in vectors; an image of more.
    check(&device, &mut random, &[5, 5, 32, 32], &[6, 5, 3, 3], &two);
    check(&device, &mut random, &[2, 64, 5, 5], &[64, 64, 3, 3], &two);
    check(&device, &mut random, &[2, 1, 150, 150], &[2, 1, 3, 3], &two);
    let x = Tensor::zeros(&device, &[0, 5, 32, 32], DType::F32).unwrap();
    let w = Tensor::zeros(&device, &[6, 5, 3, 3], DType::F32).unwrap();
    assert_eq!(x.conv2d(&w, None, &two).unwrap().shape(), [0, 6, 32, 32]);
}

/// A NaN or an infinity spoils the outputs that see it, and no neighbour in their tile.
#[test]
fn what_is_not_finite_stays_in_its_windows() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    for (channels, value) in [(1, f32::NAN), (8, f32::INFINITY)] {
        let (height, width) = (11, 21);
        let mut data = vec![1.0f32; height * width];
        data[5 * width + 10] = value;
        let x = Tensor::from_slice(&device, &data, &[1, 1, height, width]).unwrap();
        let w = Tensor::full(&device, &[channels, 1, 3, 5], DType::F32, 0.5).unwrap();
        let g = ConvGeometry::new("conv", x.shape(), w.shape(), &ConvSpec::new(2).padding(&[1, 2])).unwrap();
        let y = device.conv_direct(&x, &w, None, &g).unwrap().to_vec::<f32>().unwrap();
        for (i, y) in y.into_iter().enumerate() {
            let (row, column) = (i / width % height, i % width);
            let sees = row.abs_diff(5) <= 1 && column.abs_diff(10) <= 2;
            assert_eq!(y.is_finite(), !sees, "row {row}, column {column}: {y}");
        }
    }
}

#[test]
fn the_same_bits_and_nothing_new() {
    let Some(device) = open(WgpuOptions::default()) else { return };
    let mut random = Random::new(25);
    let mut tensor = |shape: &[usize]| random.array(shape, DType::F32).to(&device, DType::F32).unwrap();
    let (x, w, bias) = (tensor(&[3, 6, 20, 21]), tensor(&[8, 6, 3, 3]), tensor(&[8]));
    let (signal, taps) = (tensor(&[1, 2, 40_000]), tensor(&[2, 2, 39_990]));
    let (two, one) = (ConvSpec::new(2).padding(&[1, 1]), ConvSpec::new(1));
    let images = ConvGeometry::new("conv", x.shape(), w.shape(), &two).unwrap();
    let signals = ConvGeometry::new("conv", signal.shape(), taps.shape(), &one).unwrap();
    let work = || {
        let cotangent = device.conv_direct(&x, &w, Some(&bias), &images).unwrap();
        let gradient = x.conv_weight_gradient(&cotangent, &[3, 3], &two).unwrap();
        let long = device.conv_direct(&signal, &taps, None, &signals).unwrap();
        [cotangent, gradient, long].map(|t| t.to_bytes().unwrap())
    };
    makes_nothing_new(&device, 4, work);
}
