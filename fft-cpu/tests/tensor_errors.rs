//! Methods of `Tensor` with input that they must refuse: the right error, never a panic. Transforms and convolutions have files of their own.

mod refused;

use fft_core::backend::AttentionSpec;
use fft_core::spectral::{Bits, RotatedMatrix, RotatedOptions};
use fft_core::{BinaryOp, DType, Error, HostBytes, ReduceOp, Result, ScatterMode, Tensor, UnaryOp};
use refused::{device, refused, typed, zeros};

/// Shapes whose number of elements or bytes overflows, or that no memory holds.
const HUGE: [&[usize]; 6] = [
    &[usize::MAX],
    &[usize::MAX, 2],
    &[1 << 32, 1 << 32],
    &[isize::MAX as usize],
    &[0, usize::MAX, usize::MAX],
    &[1 << 61, 8],
];

#[test]
fn constructors() {
    let d = device();
    for shape in HUGE {
        refused!(Tensor::zeros(&d, shape, DType::F32), InvalidArgument, "full");
        refused!(Tensor::full(&d, shape, DType::C128, 1.0), InvalidArgument);
        refused!(Tensor::from_slice(&d, &[1f32], shape), InvalidArgument, "from_slice");
        refused!(Tensor::from_host(&d, HostBytes::from(vec![0; 4]), shape, DType::F32), InvalidArgument);
    }
    refused!(Tensor::zeros(&d, &[1 << 40], DType::U8), MemoryLimit, "1099511627776");
    refused!(Tensor::from_slice(&d, &[1f32, 2.0], &[3]), ShapeMismatch, "from_slice");
    refused!(Tensor::from_slice(&d, &[1f32], &[0]), ShapeMismatch);
    refused!(Tensor::from_slice::<f32>(&d, &[], &[]), ShapeMismatch);
    refused!(
        Tensor::from_host(&d, HostBytes::from(vec![0; 7]), &[2], DType::F32),
        ShapeMismatch,
        "from_host"
    );
    let bytes = std::sync::Arc::new(vec![0u8; 4]);
    refused!(HostBytes::new(bytes.clone(), 0..5), InvalidArgument, "range");
    #[allow(clippy::reversed_empty_ranges, reason = "a caller may compute one")]
    let backwards = 3..2;
    refused!(HostBytes::new(bytes.clone(), backwards), InvalidArgument);
    refused!(HostBytes::new(bytes, usize::MAX..usize::MAX), InvalidArgument);
    let failed = Tensor::build(&d, "mine", &[2], DType::F32, |_| Err(Error::invalid("mine", "x", 1, "no")));
    refused!(failed, InvalidArgument, "mine");
}

#[test]
fn reading() {
    let d = device();
    let x = zeros(&d, &[2, 3]);
    refused!(x.to_vec::<f64>(), DTypeMismatch);
    refused!(x.read_into(&mut [0f32; 5]), ShapeMismatch);
    refused!(x.read_into(&mut [0u8; 6]), DTypeMismatch);
    refused!(x.to_scalar::<f32>(), ShapeMismatch, "to_scalar");
    refused!(zeros(&d, &[0]).to_scalar::<f32>(), ShapeMismatch);
    refused!(zeros(&d, &[1]).to_scalar::<i64>(), DTypeMismatch);
    // One element repeated to more than memory holds.
    let endless = zeros(&d, &[1]).broadcast_to(&[1 << 60]).expect("a view costs nothing");
    refused!(endless.to_vec::<f32>(), MemoryLimit);
    refused!(endless.to_vec::<u8>(), DTypeMismatch);
    refused!(endless.to_bytes(), MemoryLimit);
    refused!(endless.contiguous(), MemoryLimit);
    refused!(endless.to_dtype(DType::C128), InvalidArgument, "to_dtype");
    refused!(endless.to_dtype(DType::U8), MemoryLimit);
    refused!(endless.to_device(&device()), MemoryLimit);
    assert!(zeros(&d, &[0, 5]).to_vec::<f32>().expect("nothing to read").is_empty());
    assert_eq!(zeros(&d, &[]).to_scalar::<f32>().expect("one element"), 0.0);
}

#[test]
fn views() {
    let d = device();
    let (x, scalar) = (zeros(&d, &[2, 3]), zeros(&d, &[]));
    for axes in [&[0][..], &[0, 0], &[0, 2], &[0, 1, 1], &[], &[usize::MAX, 0]] {
        refused!(x.permute(axes), InvalidArgument, "permute");
    }
    refused!(x.transpose(0, 2), InvalidArgument, "transpose");
    refused!(scalar.transpose(0, 0), InvalidArgument);
    refused!(x.narrow(2, 0, 1), InvalidArgument, "narrow");
    refused!(x.narrow(1, 2, 2), InvalidArgument);
    refused!(x.narrow(1, 4, 0), InvalidArgument);
    refused!(x.narrow(1, usize::MAX, 2), InvalidArgument);
    refused!(x.narrow(1, 1, usize::MAX), InvalidArgument);
    refused!(scalar.narrow(0, 0, 1), InvalidArgument);
    refused!(x.step(1, 0), InvalidArgument, "step");
    refused!(x.step(1, isize::MIN), InvalidArgument);
    refused!(x.step(5, 1), InvalidArgument);
    for step in [isize::MAX, -isize::MAX] {
        let one = x.step(0, step).and_then(|x| x.to_vec::<f32>()).expect("a step past the end leaves one");
        assert_eq!(one.len(), 3);
    }
    refused!(x.unsqueeze(3), InvalidArgument, "unsqueeze");
    refused!(x.squeeze(0), InvalidArgument, "squeeze");
    refused!(x.squeeze(2), InvalidArgument);
    refused!(zeros(&d, &[0]).squeeze(0), InvalidArgument);
    refused!(x.broadcast_to(&[3]), ShapeMismatch, "broadcast_to");
    refused!(x.broadcast_to(&[2, 4]), ShapeMismatch);
    refused!(x.broadcast_to(&[]), ShapeMismatch);
    refused!(x.reshape(&[5]), ShapeMismatch, "reshape");
    refused!(x.reshape(&[]), ShapeMismatch);
    refused!(zeros(&d, &[0]).reshape(&[1]), ShapeMismatch);
    for shape in HUGE {
        refused!(x.reshape(shape), InvalidArgument);
        refused!(scalar.broadcast_to(shape), InvalidArgument);
    }
    // Nine axes: beyond what is stored inline.
    let deep = x.reshape(&[1, 1, 2, 1, 1, 1, 3, 1, 1]).expect("the same elements");
    let axes: Vec<usize> = (0..9).rev().collect();
    let back = deep.permute(&axes).and_then(|x| x.contiguous()).expect("any rank");
    assert_eq!(back.shape(), [1, 1, 3, 1, 1, 1, 2, 1, 1]);
}

#[test]
fn joining_and_assigning() {
    let d = device();
    let x = zeros(&d, &[2, 3]);
    refused!(Tensor::cat(&[], 0), InvalidArgument, "cat");
    refused!(Tensor::cat(std::slice::from_ref(&x), 2), InvalidArgument);
    refused!(Tensor::cat(&[x.clone(), zeros(&d, &[2, 4])], 0), ShapeMismatch);
    refused!(Tensor::cat(&[x.clone(), zeros(&d, &[2])], 0), ShapeMismatch);
    refused!(Tensor::cat(&[x.clone(), typed(&d, &[2, 3], DType::F64)], 0), DTypeMismatch);
    refused!(Tensor::cat(&[x.clone(), zeros(&device(), &[2, 3])], 0), DeviceMismatch, "cat");
    let endless = typed(&d, &[1], DType::U8).broadcast_to(&[isize::MAX as usize]).expect("a view");
    refused!(Tensor::cat(&[endless.clone(), endless.clone(), endless], 0), InvalidArgument);
    let mut y = x.clone();
    refused!(y.assign(2, 0, &x), InvalidArgument, "assign");
    refused!(y.assign(0, 1, &x), InvalidArgument);
    refused!(y.assign(0, usize::MAX, &x), InvalidArgument);
    refused!(y.assign(0, 0, &zeros(&d, &[2, 2])), ShapeMismatch);
    refused!(y.assign(0, 0, &zeros(&d, &[3])), ShapeMismatch);
    refused!(y.assign(0, 0, &typed(&d, &[2, 3], DType::F16)), DTypeMismatch);
    refused!(y.assign(0, 0, &zeros(&device(), &[2, 3])), DeviceMismatch);
}

#[test]
fn elementwise() {
    let d = device();
    let x = zeros(&d, &[2, 3]);
    refused!(typed(&d, &[2], DType::C64).sin(), Unsupported, "Sin");
    refused!(typed(&d, &[2], DType::U8).neg(), Unsupported);
    refused!(typed(&d, &[2], DType::I64).exp(), Unsupported);
    refused!(typed(&d, &[2], DType::I8).affine(2.0, 1.0), Unsupported);
    refused!(typed(&d, &[2], DType::U32).scale(2.0), Unsupported);
    refused!(typed(&d, &[2], DType::C128).unary(UnaryOp::Powf(2.0)), Unsupported);
    refused!(x.add(&zeros(&d, &[2])), ShapeMismatch, "add");
    refused!(x.mul(&typed(&d, &[2, 3], DType::F64)), DTypeMismatch, "mul");
    refused!(x.div(&zeros(&device(), &[2, 3])), DeviceMismatch, "div");
    refused!(typed(&d, &[2], DType::I64).div(&typed(&d, &[2], DType::I64)), Unsupported, "div");
    refused!(typed(&d, &[2], DType::C64).maximum(&typed(&d, &[2], DType::C64)), Unsupported);
    refused!(typed(&d, &[2], DType::F16).complex(&typed(&d, &[2], DType::F16)), Unsupported);
    refused!(typed(&d, &[2], DType::U8).binary(BinaryOp::Pow, &typed(&d, &[2], DType::U8)), Unsupported);
    // The shape of two views together is more than either.
    let rows = zeros(&d, &[1, 1]).broadcast_to(&[1 << 32, 1]).expect("a view");
    let columns = zeros(&d, &[1, 1]).broadcast_to(&[1, 1 << 32]).expect("a view");
    refused!(rows.add(&columns), InvalidArgument, "add");
    refused!(rows.lt(&columns), InvalidArgument, "lt");
    let condition = typed(&d, &[2, 3], DType::U8);
    refused!(Tensor::select(&x, &x, &x), DTypeMismatch, "select");
    refused!(Tensor::select(&condition, &x, &typed(&d, &[2, 3], DType::F64)), DTypeMismatch);
    refused!(Tensor::select(&condition, &x, &zeros(&d, &[4])), ShapeMismatch);
    refused!(Tensor::select(&typed(&d, &[4], DType::U8), &x, &x), ShapeMismatch);
    refused!(Tensor::select(&condition, &x, &zeros(&device(), &[2, 3])), DeviceMismatch);
    refused!(Tensor::select(&typed(&device(), &[2, 3], DType::U8), &x, &x), DeviceMismatch);
    let many = typed(&d, &[1, 1], DType::U8).broadcast_to(&[1 << 32, 1]).expect("a view");
    refused!(Tensor::select(&many, &columns, &columns), InvalidArgument);
}

#[test]
fn indexing() {
    let d = device();
    let mut x = zeros(&d, &[2, 3]);
    let index = typed(&d, &[2], DType::U32);
    refused!(x.gather(2, &index), InvalidArgument, "gather");
    refused!(x.gather(0, &typed(&d, &[2], DType::U8)), DTypeMismatch);
    refused!(x.gather(0, &typed(&d, &[2, 1], DType::U32)), ShapeMismatch);
    refused!(x.gather(0, &typed(&d, &[], DType::U32)), ShapeMismatch);
    refused!(x.gather(0, &typed(&device(), &[2], DType::U32)), DeviceMismatch);
    refused!(zeros(&d, &[0, 3]).gather(0, &index), IndexOutOfRange, "gather");
    let many = typed(&d, &[1], DType::U32).broadcast_to(&[1 << 60]).expect("a view");
    refused!(x.gather(0, &many), InvalidArgument);
    let src = zeros(&d, &[2, 3]);
    refused!(x.scatter(2, &index, &src, ScatterMode::Set), InvalidArgument, "scatter");
    refused!(x.scatter(0, &index, &zeros(&d, &[3, 3]), ScatterMode::Set), ShapeMismatch);
    refused!(x.scatter(0, &index, &zeros(&d, &[2]), ScatterMode::Add), ShapeMismatch);
    refused!(x.scatter(0, &index, &typed(&d, &[2, 3], DType::F64), ScatterMode::Add), DTypeMismatch);
    refused!(x.scatter(0, &typed(&d, &[2], DType::F32), &src, ScatterMode::Add), DTypeMismatch);
    refused!(x.scatter(0, &index, &zeros(&device(), &[2, 3]), ScatterMode::Set), DeviceMismatch);
    refused!(fft_core::tensor::check_indices("embed", &[0, 7, 3], 7), IndexOutOfRange, "embed: index 7");
    fft_core::tensor::check_indices("embed", &[0, 6], 7).expect("both lie within");
    let mut none = zeros(&d, &[0, 3]);
    none.scatter(0, &index, &src, ScatterMode::Add).expect("what lies outside is ignored");
}

#[test]
fn reductions() {
    let d = device();
    let (x, scalar) = (zeros(&d, &[2, 3]), zeros(&d, &[]));
    refused!(x.reduce(ReduceOp::Sum, &[2]), InvalidArgument, "reduce");
    refused!(x.reduce(ReduceOp::Sum, &[0, 0]), InvalidArgument);
    refused!(x.reduce(ReduceOp::Sum, &[usize::MAX]), InvalidArgument);
    refused!(x.reduce(ReduceOp::ArgMax, &[0, 1]), InvalidArgument);
    refused!(x.reduce(ReduceOp::ArgMin, &[]), InvalidArgument);
    refused!(typed(&d, &[2], DType::C64).max(0), Unsupported);
    refused!(typed(&d, &[2], DType::I64).mean(0), Unsupported);
    refused!(typed(&d, &[2], DType::U8).reduce(ReduceOp::Prod, &[0]), Unsupported);
    for empty in [zeros(&d, &[0]), typed(&d, &[0], DType::U8)] {
        refused!(empty.max(0), InvalidArgument);
        refused!(empty.min(0), InvalidArgument);
        refused!(empty.argmax(0), InvalidArgument);
        refused!(empty.argmin(0), InvalidArgument);
    }
    for reduce in [Tensor::sum, Tensor::mean, Tensor::max, Tensor::min, Tensor::argmax, Tensor::argmin] {
        refused!(reduce(&x, 2), InvalidArgument);
        refused!(reduce(&scalar, 0), InvalidArgument);
    }
    assert_eq!(scalar.sum_all().and_then(|x| x.to_scalar::<f32>()).expect("one element"), 0.0);
}

#[test]
fn products() {
    let d = device();
    let x = zeros(&d, &[2, 3]);
    refused!(x.matmul(&x), ShapeMismatch, "matmul");
    refused!(x.matmul(&zeros(&d, &[3])), ShapeMismatch);
    refused!(zeros(&d, &[]).matmul(&x), ShapeMismatch);
    refused!(zeros(&d, &[2, 2, 3]).matmul(&zeros(&d, &[3, 3, 2])), ShapeMismatch);
    refused!(x.matmul(&typed(&d, &[3, 2], DType::F64)), DTypeMismatch);
    refused!(x.matmul(&typed(&d, &[3, 2], DType::C64)), DTypeMismatch);
    refused!(typed(&d, &[2, 2], DType::U8).matmul(&typed(&d, &[2, 2], DType::U8)), DTypeMismatch);
    refused!(x.matmul_to(&zeros(&d, &[3, 2]), DType::F16), DTypeMismatch);
    refused!(x.matmul_to(&zeros(&d, &[3, 2]), DType::F64), DTypeMismatch);
    refused!(typed(&d, &[2, 2], DType::F16).matmul_to(&x, DType::F16), DTypeMismatch);
    refused!(x.matmul(&zeros(&device(), &[3, 2])), DeviceMismatch);
    let long = |shape: &[usize]| zeros(&d, &[1, 1]).broadcast_to(shape).expect("a view");
    refused!(long(&[1 << 32, 1]).matmul(&long(&[1, 1 << 32])), InvalidArgument);
    refused!(long(&[1 << 30, 1, 1 << 30]).matmul(&long(&[1 << 30, 1])), MemoryLimit);
    // The product has 2^40 elements, its repeated operands 2^80.
    refused!(
        long(&[1 << 20, 1 << 40])
            .matmul(&zeros(&d, &[1, 1, 1]).broadcast_to(&[1 << 20, 1 << 40, 1]).expect("a view")),
        InvalidArgument
    );
}

#[test]
fn network_operations() {
    let d = device();
    let (x, w) = (zeros(&d, &[2, 4]), zeros(&d, &[4]));
    refused!(x.softmax(2), InvalidArgument, "softmax");
    refused!(zeros(&d, &[]).softmax(0), InvalidArgument);
    refused!(typed(&d, &[2], DType::C64).softmax(0), DTypeMismatch);
    refused!(x.rms_norm(&zeros(&d, &[3]), 1e-5), ShapeMismatch, "rms_norm");
    refused!(x.rms_norm(&zeros(&d, &[1, 4]), 1e-5), ShapeMismatch);
    refused!(x.rms_norm(&typed(&d, &[4], DType::F16), 1e-5), DTypeMismatch);
    refused!(x.rms_norm(&zeros(&device(), &[4]), 1e-5), DeviceMismatch);
    refused!(zeros(&d, &[]).rms_norm(&w, 1e-5), ShapeMismatch);
    refused!(typed(&d, &[4], DType::I8).rms_norm(&w, 1e-5), DTypeMismatch);
    refused!(x.layer_norm(&w, &zeros(&d, &[5]), 1e-5), ShapeMismatch, "layer_norm");
    refused!(x.layer_norm(&w, &typed(&d, &[4], DType::F64), 1e-5), DTypeMismatch);
    let (q, table) = (zeros(&d, &[1, 2, 3, 4]), zeros(&d, &[3, 2]));
    refused!(q.rope(&table, &zeros(&d, &[3, 4])), ShapeMismatch, "rope");
    refused!(x.rope(&table, &table), ShapeMismatch);
    refused!(zeros(&d, &[1, 2, 3, 5]).rope(&table, &table), ShapeMismatch);
    refused!(q.rope(&table, &typed(&d, &[3, 2], DType::F64)), DTypeMismatch);
    refused!(x.silu_mul(&w), ShapeMismatch, "silu_mul");
    refused!(x.silu_mul(&typed(&d, &[2, 4], DType::BF16)), DTypeMismatch);
    let attend = |q: &[usize], k: &[usize], v: &[usize], causal, offset| -> Result<Tensor> {
        let spec = AttentionSpec { scale: 1.0, causal, offset };
        Tensor::attention(&zeros(&d, q), &zeros(&d, k), &zeros(&d, v), spec)
    };
    let k = &[1, 2, 5, 4];
    refused!(attend(&[1, 4, 3], k, k, false, 0), ShapeMismatch, "attention");
    refused!(attend(&[1, 3, 3, 4], k, k, false, 0), ShapeMismatch);
    refused!(attend(&[2, 4, 3, 4], k, k, false, 0), ShapeMismatch);
    refused!(attend(&[1, 4, 3, 6], k, k, false, 0), ShapeMismatch);
    refused!(attend(&[1, 4, 3, 4], &[1, 0, 5, 4], &[1, 0, 5, 4], false, 0), ShapeMismatch);
    refused!(attend(&[1, 4, 3, 4], k, &[1, 2, 6, 4], false, 0), ShapeMismatch);
    refused!(attend(&[1, 4, 3, 4], k, &[1, 2, 5], false, 0), ShapeMismatch);
    refused!(attend(&[1, 4, 3, 4], k, k, true, 3), InvalidArgument, "offset");
    refused!(attend(&[1, 4, 3, 4], k, k, true, usize::MAX), InvalidArgument);
    refused!(attend(&[1, 4, 3, 4], &[1, 2, 0, 4], &[1, 2, 0, 4], false, 0), InvalidArgument);
    for (q, k, v) in [
        (&[0, 4, 3, 4][..], &[0, 2, 5, 4][..], &[0, 2, 5, 4][..]),
        (&[1, 4, 0, 4], &[1, 2, 5, 4], &[1, 2, 5, 4]),
        (&[1, 0, 3, 4], &[1, 2, 5, 4], &[1, 2, 5, 4]),
        (&[1, 4, 3, 0], &[1, 2, 5, 0], &[1, 2, 5, 4]),
        (&[1, 4, 3, 4], &[1, 2, 5, 4], &[1, 2, 5, 0]),
    ] {
        let out = attend(q, k, v, true, 0).expect("empty axes are shapes like any other");
        assert_eq!(out.shape(), [q[0], q[1], q[2], v[3]]);
        assert!(out.to_vec::<f32>().expect("readable").iter().all(|v| *v == 0.0));
    }
    for shape in [&[0, 4][..], &[3, 0]] {
        let (x, w) = (zeros(&d, shape), zeros(&d, &shape[1..]));
        assert_eq!(x.softmax(1).expect("empty").shape(), shape);
        assert_eq!(x.rms_norm(&w, 1e-5).expect("empty").shape(), shape);
        assert_eq!(x.layer_norm(&w, &w, 1e-5).expect("empty").shape(), shape);
        assert_eq!(x.silu_mul(&x).expect("empty").shape(), shape);
    }
}

#[test]
fn rotations_that_overflow_are_refused() {
    let device = fft_cpu::device(fft_cpu::CpuOptions::default()).unwrap();
    let huge = Tensor::full(&device, &[64, 64], DType::F32, 3e38).unwrap();
    for bits in [Bits::Eight, Bits::Four] {
        let options = RotatedOptions::new(bits);
        let message = RotatedMatrix::from_dense(&huge, &options).unwrap_err().to_string();
        assert!(message.contains("overflows"), "{message}");
        // The largest numbers that are taken come back as numbers, by way of the stored parts too.
        let large = Tensor::full(&device, &[64, 64], DType::F32, 1e36).unwrap();
        let parts = RotatedMatrix::from_dense(&large, &options).unwrap().parts();
        let with = |gain: f32| {
            RotatedMatrix::from_parts(&device, [64, 64], &options, &mut |name| match name {
                "gain" => Tensor::from_slice(&device, &[gain], &[1]),
                _ => Ok(parts.iter().find(|(n, _)| *n == name).unwrap().1.clone()),
            })
        };
        let gain = parts.iter().find(|(n, _)| *n == "gain").unwrap().1.to_scalar::<f32>().unwrap();
        let dense = with(gain).unwrap().to_dense().unwrap().to_vec::<f32>().unwrap();
        assert!(dense.iter().all(|v| v.is_finite()));
        assert!(with(f32::MAX).unwrap_err().to_string().contains("not finite"));
    }
}

#[test]
fn thread_counts_have_bounds() {
    for threads in [0, 100_000, usize::MAX] {
        let options = fft_cpu::CpuOptions { threads: Some(threads), ..Default::default() };
        assert!(fft_cpu::device(options).unwrap_err().to_string().contains("threads"));
    }
}
