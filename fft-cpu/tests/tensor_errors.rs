//! Every method of `Tensor` with input that it must refuse: the right error, never a panic.

use fft_core::backend::AttentionSpec;
use fft_core::spectral::{Bits, RotatedMatrix, RotatedOptions};
use fft_core::stft::{Centre, StftOptions, StftScaling, StftWindow};
use fft_core::window::Window;
use fft_core::{
    BinaryOp, Complex32, ConvolveMode, DType, DctSpec, DctType, Device, Direction, Error, FftKind, FftSpec,
    HostBytes, Norm, ReduceOp, Result, ScatterMode, Tensor, UnaryOp, Wave,
};
use fft_cpu::CpuOptions;

/// The call fails with an error of this pattern, whose message names the operation where one is given.
macro_rules! refused {
    ($call:expr, $variant:ident) => {
        match $call {
            Err(Error::$variant { .. }) => {}
            other => panic!("{}: {:?}", stringify!($call), other.map(|_| "no error")),
        }
    };
    ($call:expr, $variant:ident, $name:literal) => {
        match $call {
            Err(error @ Error::$variant { .. }) => {
                assert!(error.to_string().contains($name), "{}: {error}", stringify!($call));
            }
            other => panic!("{}: {:?}", stringify!($call), other.map(|_| "no error")),
        }
    };
}

fn device() -> Device {
    let options = CpuOptions { threads: Some(1), memory_limit: Some(1 << 28) };
    fft_cpu::device(options).expect("a processor backend opens")
}

fn zeros(device: &Device, shape: &[usize]) -> Tensor {
    Tensor::zeros(device, shape, DType::F32).expect("a small tensor fits")
}

fn typed(device: &Device, shape: &[usize], dtype: DType) -> Tensor {
    Tensor::zeros(device, shape, dtype).expect("a small tensor fits")
}

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
fn transforms() {
    let d = device();
    let (x, z) = (zeros(&d, &[2, 6]), typed(&d, &[2, 4], DType::C64));
    let norm = Norm::Backward;
    refused!(x.fft(2, None, norm), InvalidArgument, "fft");
    refused!(zeros(&d, &[]).fft(0, None, norm), InvalidArgument);
    refused!(x.fft(1, Some(0), norm), InvalidArgument);
    refused!(zeros(&d, &[2, 0]).rfft(1, None, norm), InvalidArgument, "at least one point");
    refused!(x.fft(1, Some(usize::MAX), norm), InvalidArgument);
    refused!(x.rfft(1, Some(usize::MAX), norm), InvalidArgument);
    refused!(x.fft(1, Some(1 << 40), norm), MemoryLimit);
    refused!(z.irfft(1, Some(usize::MAX), norm), InvalidArgument);
    refused!(typed(&d, &[2, 1], DType::C64).irfft(1, None, norm), InvalidArgument);
    refused!(typed(&d, &[4], DType::F16).fft(0, None, norm), DTypeMismatch);
    refused!(typed(&d, &[4], DType::I64).ifft(0, None, norm), DTypeMismatch, "ifft");
    refused!(z.rfft(1, None, norm), DTypeMismatch, "rfft");
    refused!(x.irfft(1, None, norm), DTypeMismatch, "irfft");
    refused!(x.fftn(&[0, 0], None, norm), InvalidArgument, "repeated");
    refused!(x.fftn(&[0, 3], None, norm), InvalidArgument);
    refused!(x.ifftn(&[0, 1], Some(&[2]), norm), InvalidArgument);
    refused!(x.rfftn(&[], None, norm), InvalidArgument);
    refused!(z.irfftn(&[], Some(&[]), norm), InvalidArgument);
    refused!(x.rfftn(&[0, 1], Some(&[0, 4]), norm), InvalidArgument);
    // Four bins are those of 6 or 7 points; what lies beside is a mistake of parity, other lengths crop or pad.
    refused!(z.irfft(1, Some(8), norm), InvalidArgument, "irfft: n = 8: 4 bins belong to 6 or 7 points");
    refused!(z.irfft(1, Some(5), norm), InvalidArgument, "irfft: n = 5");
    refused!(z.irfftn(&[0, 1], Some(&[2, 8]), norm), InvalidArgument, "irfft: n = 8");
    refused!(z.hfft(1, Some(5), norm), InvalidArgument, "hfft: n = 5");
    refused!(typed(&d, &[1], DType::C64).irfft(0, Some(2), norm), InvalidArgument, "irfft: n = 2");
    refused!(typed(&d, &[2], DType::C64).irfft(0, Some(1), norm), InvalidArgument, "irfft: n = 1");
    for n in [1, 3, 4, 6, 7, 9, 10] {
        assert_eq!(z.irfft(1, Some(n), norm).expect("crops or pads").shape(), [2, n]);
    }
    assert_eq!(z.resize(1, 5).and_then(|z| z.irfft(1, Some(8), norm)).expect("resized").shape(), [2, 8]);
    refused!(x.hfft(1, None, norm), DTypeMismatch, "hfft");
    refused!(z.hfft(2, None, norm), InvalidArgument, "hfft");
    refused!(z.hfft(1, Some(0), norm), InvalidArgument, "hfft: n = 0");
    refused!(typed(&d, &[2, 1], DType::C64).hfft(1, None, norm), InvalidArgument, "hfft: n = 0");
    refused!(z.ihfft(1, None, norm), DTypeMismatch, "ihfft");
    refused!(zeros(&d, &[2, 0]).ihfft(1, None, norm), InvalidArgument, "ihfft: n = 0");
    refused!(z.hfft2([1, 1], None, norm), InvalidArgument, "repeated");
    refused!(x.ihfft2([0, 2], None, norm), InvalidArgument, "ihfft: axis = 2");
    refused!(x.fft2([1, 1], None, norm), InvalidArgument, "repeated");
    refused!(x.rfft2([0, 2], None, norm), InvalidArgument, "rfft: axis = 2");
    refused!(x.ifft2([0, 1], Some([0, 4]), norm), InvalidArgument, "ifft: n = 0");
    refused!(z.irfft2([0, 1], Some([2, 8]), norm), InvalidArgument, "irfft: n = 8");
    let spec = |kind, direction, n| FftSpec { kind, direction, axis: 1, n, scale: 1.0 };
    let (forward, inverse) = (Direction::Forward, Direction::Inverse);
    refused!(x.fft_primitive(spec(FftKind::C2C, forward, 6)), DTypeMismatch);
    refused!(z.fft_primitive(spec(FftKind::R2C, forward, 6)), DTypeMismatch);
    refused!(x.fft_primitive(spec(FftKind::C2R, inverse, 6)), DTypeMismatch);
    refused!(x.fft_primitive(spec(FftKind::R2C, inverse, 6)), InvalidArgument);
    refused!(z.fft_primitive(spec(FftKind::C2R, forward, 6)), InvalidArgument);
    refused!(z.fft_primitive(spec(FftKind::C2C, forward, 0)), InvalidArgument);
    refused!(z.fft_primitive(FftSpec { axis: 9, ..spec(FftKind::C2C, forward, 4) }), InvalidArgument);
    refused!(z.fft_primitive(spec(FftKind::C2C, forward, usize::MAX)), InvalidArgument);
    refused!(x.spectral_conv(&zeros(&d, &[5])), ShapeMismatch, "spectral_conv");
    refused!(x.spectral_conv(&zeros(&d, &[3, 6])), ShapeMismatch);
    refused!(x.spectral_conv(&zeros(&d, &[])), ShapeMismatch);
    refused!(zeros(&d, &[0]).spectral_conv(&zeros(&d, &[0])), InvalidArgument);
    refused!(z.spectral_conv(&z), DTypeMismatch);
    refused!(x.spectral_conv(&typed(&d, &[6], DType::F64)), DTypeMismatch);
    refused!(x.spectral_conv(&zeros(&device(), &[6])), DeviceMismatch);
    let nothing = typed(&d, &[0, 4], DType::C64).irfft(1, Some(6), norm).expect("an empty batch");
    assert_eq!((nothing.shape(), nothing.to_vec::<f32>().expect("nothing").len()), (&[0, 6][..], 0));
    let padded = typed(&d, &[3, 0], DType::C64).fft(1, Some(2), norm).expect("only padding");
    assert_eq!(padded.to_vec::<Complex32>().expect("zeros"), [Complex32::default(); 6]);
}

#[test]
fn cosine_and_sine_transforms() {
    let d = device();
    let (x, norm) = (zeros(&d, &[2, 6]), Norm::Backward);
    for kind in DctType::ALL {
        refused!(x.dct(kind, 2, None, norm), InvalidArgument, "dct: axis = 2");
        refused!(x.dst(kind, 1, Some(0), norm), InvalidArgument, "dst: n = 0");
        refused!(zeros(&d, &[2, 0]).idct(kind, 1, None, norm), InvalidArgument, "idct: n = 0");
        refused!(zeros(&d, &[]).idst(kind, 0, None, norm), InvalidArgument, "idst: axis = 0");
        refused!(x.dctn(kind, &[1, 1], None, norm), InvalidArgument, "repeated");
        refused!(x.dstn(kind, &[0, 1], Some(&[2]), norm), InvalidArgument, "dst: n = [2]");
        refused!(x.dct(kind, 1, Some(usize::MAX), norm), InvalidArgument);
        refused!(x.dct(kind, 1, Some(1 << 40), norm), MemoryLimit);
        refused!(typed(&d, &[4], DType::F16).idctn(kind, &[0], None, norm), DTypeMismatch, "idct");
        refused!(typed(&d, &[4], DType::I64).idstn(kind, &[0], None, norm), DTypeMismatch, "idst");
        assert_eq!(x.dst(kind, 1, Some(1), norm).expect("one point").shape(), [2, 1]);
    }
    refused!(x.dct(DctType::I, 1, Some(1), norm), InvalidArgument, "dct: n = 1");
    refused!(x.idct(DctType::I, 1, Some(1), norm), InvalidArgument, "idct: n = 1");
    refused!(x.dctn(DctType::I, &[0, 1], Some(&[2, 1]), norm), InvalidArgument, "dct: n = 1");
    let spec = DctSpec { wave: Wave::Cosine, kind: DctType::I, axis: 0, scale: 1.0, orthogonal: false };
    refused!(zeros(&d, &[1]).dct_primitive(spec), InvalidArgument, "dct: n = 1");
    refused!(
        zeros(&d, &[0]).dct_primitive(DctSpec { wave: Wave::Sine, ..spec }),
        InvalidArgument,
        "dct: n = 0"
    );
    refused!(x.dct_primitive(DctSpec { axis: 2, ..spec }), InvalidArgument);
    refused!(typed(&d, &[4], DType::C64).dct_primitive(spec), DTypeMismatch);
}

#[test]
fn short_time_transforms() {
    let d = device();
    let x = zeros(&d, &[2, 64]);
    let good = StftOptions::new(16);
    let with = |change: fn(&mut StftOptions)| {
        let mut options = good.clone();
        change(&mut options);
        options
    };
    let z = x.stft(&good).expect("a spectrum");
    assert_eq!((z.shape(), z.istft(&good, None).expect("a signal").shape()), (&[2, 9, 17][..], &[2, 64][..]));
    for (options, message) in [
        (with(|o| o.n_fft = 0), "n_fft = 0"),
        (with(|o| o.hop = 0), "hop = 0: must be from 1 to the window's length 16"),
        (with(|o| o.hop = 17), "hop = 17"),
        (with(|o| (o.hop, o.window_len) = (9, 8)), "hop = 9"),
        (with(|o| o.window_len = 0), "window_len = 0"),
        (with(|o| o.window_len = 17), "window_len = 17"),
        (with(|o| o.window = StftWindow::Named(Window::Kaiser { beta: -1.0 })), "beta = -1"),
        (with(|o| o.scaling = StftScaling::Density { rate: 0.0 }), "rate = 0"),
    ] {
        for result in [x.stft(&options), z.istft(&options, None)] {
            match result {
                Err(error @ Error::InvalidArgument { .. }) => {
                    assert!(error.to_string().contains(message), "{message}: {error}");
                }
                other => panic!("{message}: {:?}", other.map(|_| "no error")),
            }
        }
    }
    // Too short for its reflection, or for one frame.
    refused!(zeros(&d, &[8]).stft(&good), InvalidArgument, "stft: n_fft = 16");
    refused!(zeros(&d, &[0]).stft(&good), InvalidArgument, "stft: n_fft = 16");
    refused!(
        zeros(&d, &[15]).stft(&with(|o| o.centre = Centre::No)),
        InvalidArgument,
        "does not fill a frame"
    );
    refused!(zeros(&d, &[]).stft(&good), ShapeMismatch, "stft");
    refused!(x.stft(&with(|o| o.n_fft = usize::MAX)), InvalidArgument);
    let huge = |o: &mut StftOptions| (o.n_fft, o.window_len, o.centre) = (1 << 40, 1 << 40, Centre::Zeros);
    refused!(x.stft(&with(huge)), MemoryLimit);
    // Types.
    refused!(typed(&d, &[64], DType::F16).stft(&good), DTypeMismatch, "stft");
    refused!(typed(&d, &[64], DType::I64).stft(&good), DTypeMismatch);
    refused!(typed(&d, &[64], DType::C64).stft(&good), InvalidArgument, "onesided = true");
    refused!(x.istft(&good, None), DTypeMismatch, "istft");
    // Bins, frames, lengths.
    refused!(typed(&d, &[8, 3], DType::C64).istft(&good, None), ShapeMismatch, "istft");
    refused!(typed(&d, &[9, 0], DType::C64).istft(&good, None), ShapeMismatch);
    refused!(typed(&d, &[9], DType::C64).istft(&good, None), ShapeMismatch);
    refused!(z.istft(&with(|o| o.onesided = false), None), ShapeMismatch);
    refused!(z.istft(&good, Some(73)), InvalidArgument, "istft: length = 73: 17 frames reach 72 samples");
    let long = typed(&d, &[9, 1], DType::C64).broadcast_to(&[9, 1 << 44]).expect("a view");
    refused!(long.istft(&good, None), MemoryLimit);
    refused!(
        long.istft(&with(|o| (o.hop, o.window_len) = (16, 16)), Some(usize::MAX)),
        InvalidArgument,
        "length"
    );
    let long = zeros(&d, &[1]).broadcast_to(&[1 << 44]).expect("a view");
    refused!(long.stft(&good), MemoryLimit);
    // Windows that do not cover the signal.
    let gap = with(|o| (o.centre, o.hop) = (Centre::No, 16));
    refused!(z.istft(&gap, None), InvalidArgument, "istft: window = Hann of 16 points");
    refused!(z.istft(&gap, None), InvalidArgument, "all windows are 0 at sample 0");
    let values = |w: Tensor| StftOptions { window: StftWindow::Values(w), ..StftOptions::new(16) };
    refused!(z.istft(&values(zeros(&d, &[16])), None), InvalidArgument, "sample 0");
    let nan = Tensor::full(&d, &[16], DType::F32, f64::NAN).expect("a tensor");
    refused!(z.istft(&values(nan), None), InvalidArgument, "sample 0");
    refused!(x.stft(&values(zeros(&d, &[15]))), ShapeMismatch, "stft");
    refused!(x.stft(&values(zeros(&d, &[16, 1]))), ShapeMismatch);
    refused!(x.stft(&values(typed(&d, &[16], DType::F64))), DTypeMismatch, "stft");
    refused!(x.stft(&values(zeros(&device(), &[16]))), DeviceMismatch, "stft");
    let spectrum = StftOptions { scaling: StftScaling::Spectrum, ..values(zeros(&d, &[16])) };
    refused!(x.stft(&spectrum), InvalidArgument, "scaling = Spectrum");
    refused!(Window::Hann.tensor(&d, 4, true, DType::U8), DTypeMismatch, "window");
}

#[test]
fn convolutions_of_sequences() {
    let d = device();
    let (x, v, none) = (zeros(&d, &[2, 6]), zeros(&d, &[3]), zeros(&d, &[0]));
    for mode in [ConvolveMode::Full, ConvolveMode::Same, ConvolveMode::Valid] {
        refused!(x.convolve(&none, mode), ShapeMismatch, "convolve: shapes [2, 6] and [1, 0]");
        refused!(none.correlate(&x, mode), ShapeMismatch, "correlate");
        refused!(zeros(&d, &[]).convolve(&v, mode), ShapeMismatch, "convolve");
        refused!(x.convolve(&zeros(&d, &[3, 4]), mode), ShapeMismatch, "convolve");
        refused!(x.convolve(&typed(&d, &[3], DType::F64), mode), DTypeMismatch, "convolve");
        refused!(typed(&d, &[3], DType::C128).convolve(&v, mode), DTypeMismatch);
        refused!(x.correlate(&typed(&d, &[3], DType::F16), mode), DTypeMismatch, "correlate");
        refused!(typed(&d, &[3], DType::I64).convolve(&v, mode), DTypeMismatch);
        refused!(x.convolve(&zeros(&device(), &[3]), mode), DeviceMismatch, "convolve");
        refused!(x.convolve_nd(&x, &[0, 0], mode), InvalidArgument, "convolve: axes = [0, 0]");
        refused!(x.convolve_nd(&x, &[2], mode), InvalidArgument, "convolve: axis = 2");
        refused!(x.correlate_nd(&v, &[0], mode), ShapeMismatch, "ranks");
    }
    refused!(
        zeros(&d, &[3, 5]).convolve_nd(&zeros(&d, &[4, 4]), &[0, 1], ConvolveMode::Valid),
        ShapeMismatch,
        "valid"
    );
    let long = zeros(&d, &[1]).broadcast_to(&[1 << 56]).expect("a view");
    refused!(long.convolve(&v, ConvolveMode::Full), MemoryLimit);
    let longer = zeros(&d, &[1]).broadcast_to(&[1 << 60]).expect("a view");
    refused!(longer.convolve(&v, ConvolveMode::Full), InvalidArgument, "convolve: padding");
    refused!(longer.convolve(&longer, ConvolveMode::Full), InvalidArgument, "convolve");
}

#[test]
fn shifts() {
    let d = device();
    let x = zeros(&d, &[2, 6]);
    refused!(x.roll(2, 1), InvalidArgument, "roll: axis = 2");
    refused!(x.fftshift(&[0, 0]), InvalidArgument, "fftshift: axes = [0, 0]");
    refused!(x.fftshift(&[5]), InvalidArgument, "fftshift: axis = 5");
    refused!(x.ifftshift(&[1, 1]), InvalidArgument, "ifftshift");
    refused!(x.resize(2, 3), InvalidArgument, "resize: axis = 2");
    refused!(x.resize(1, usize::MAX), InvalidArgument, "resize");
    refused!(x.resize(1, 1 << 40), MemoryLimit);
    let none = zeros(&d, &[3, 0]);
    assert_eq!(none.roll(1, 7).expect("nothing to move").shape(), [3, 0]);
    assert_eq!(none.fftshift(&[0, 1]).expect("nothing to move").shape(), [3, 0]);
    assert_eq!(none.resize(1, 2).expect("zeros").to_vec::<f32>().expect("zeros"), [0.0; 6]);
    for shift in [isize::MIN, isize::MAX, -1, 0, 6] {
        assert_eq!(x.roll(1, shift).expect("any shift").shape(), [2, 6]);
    }
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
