//! Row-major arrays.

use fft_core::{Complex32, Complex64, DctType, Norm, Result, Tensor};
use fft_cpu::slices;

use crate::{NORMS, bound, close, complex, device, noise, reals, single};

const SHAPE: [usize; 3] = [4, 5, 6];

/// Axes, and lengths of the real transforms along them: none, longer, shorter, both.
const CASES: [(&[usize], Option<&[usize]>); 8] = [
    (&[0, 1, 2], None),
    (&[2, 0], None),
    (&[1], None),
    (&[0, 1, 2], Some(&[7, 8, 13])),
    (&[0, 1, 2], Some(&[2, 3, 4])),
    (&[2, 0], Some(&[4, 7])),
    (&[0, 2], Some(&[7, 4])),
    (&[1], Some(&[1])),
];

/// As many complex numbers as a result has.
fn like(y: &Tensor) -> Vec<Complex64> {
    vec![Complex64::new(f64::NAN, 1.0); y.len()]
}

#[test]
fn complex_arrays_are_those_of_tensors() -> Result<()> {
    let z = complex(120, 9);
    let zt = Tensor::from_slice(&device(), &z, &SHAPE)?;
    for (norm, (axes, n)) in NORMS.into_iter().flat_map(|norm| CASES.map(|case| (norm, case))) {
        let what = format!("{axes:?}, {n:?}, {norm:?}");
        let want = zt.fftn(axes, n, norm)?;
        let mut y = like(&want);
        slices::fftn(&z, &SHAPE, axes, n, &mut y, norm)?;
        close(&what, &y, &want.to_vec()?, bound(120));
        let want = zt.ifftn(axes, n, norm)?;
        slices::ifftn(&z, &SHAPE, axes, n, &mut y, norm)?;
        close(&what, &y, &want.to_vec()?, bound(120));
        if n.is_none() {
            let mut y = z.clone();
            slices::fftn_in_place(&mut y, &SHAPE, axes, norm)?;
            close(&what, &y, &zt.fftn(axes, None, norm)?.to_vec()?, bound(120));
            slices::ifftn_in_place(&mut y, &SHAPE, axes, norm)?;
            close(&what, &y, &z, 2.0 * bound(120));
        }
    }
    Ok(())
}

#[test]
fn real_arrays_are_those_of_tensors() -> Result<()> {
    let (x, z, d) = (noise(120, 3), complex(120, 9), device());
    let (xt, zt) = (Tensor::from_slice(&d, &x, &SHAPE)?, Tensor::from_slice(&d, &z, &SHAPE)?);
    for (norm, (axes, n)) in NORMS.into_iter().flat_map(|norm| CASES.map(|case| (norm, case))) {
        let what = format!("{axes:?}, {n:?}, {norm:?}");
        let want = xt.rfftn(axes, n, norm)?;
        let mut half = like(&want);
        slices::rfftn(&x, &SHAPE, axes, n, &mut half, norm)?;
        close(&what, &half, &want.to_vec()?, bound(120));
        slices::ihfftn(&x, &SHAPE, axes, n, &mut half, norm)?;
        close(&what, &half, &xt.ihfftn(axes, n, norm)?.to_vec()?, bound(120));
        let want = zt.irfftn(axes, n, norm)?;
        let mut real = vec![f64::NAN; want.len()];
        slices::irfftn(&z, &SHAPE, axes, n, &mut real, norm)?;
        close(&what, &reals(&real), &reals(&want.to_vec()?), bound(120));
        slices::hfftn(&z, &SHAPE, axes, n, &mut real, norm)?;
        close(&what, &reals(&real), &reals(&zt.hfftn(axes, n, norm)?.to_vec()?), bound(120));
    }
    Ok(())
}

#[test]
fn cosine_and_sine_arrays_are_those_of_tensors() -> Result<()> {
    let x = noise(120, 3);
    let xt = Tensor::from_slice(&device(), &x, &SHAPE)?;
    for (kind, (axes, n)) in DctType::ALL.into_iter().flat_map(|kind| CASES.map(|case| (kind, case))) {
        if kind == DctType::I && n == Some(&[1]) {
            continue;
        }
        let norm = Norm::Ortho;
        let want = xt.dctn(kind, axes, n, norm)?;
        let mut y = vec![f64::NAN; want.len()];
        slices::dctn(&x, &SHAPE, kind, axes, n, &mut y, norm)?;
        close("dctn", &reals(&y), &reals(&want.to_vec()?), bound(120));
        slices::idctn(&x, &SHAPE, kind, axes, n, &mut y, norm)?;
        close("idctn", &reals(&y), &reals(&xt.idctn(kind, axes, n, norm)?.to_vec()?), bound(120));
        slices::dstn(&x, &SHAPE, kind, axes, n, &mut y, norm)?;
        close("dstn", &reals(&y), &reals(&xt.dstn(kind, axes, n, norm)?.to_vec()?), bound(120));
        slices::idstn(&x, &SHAPE, kind, axes, n, &mut y, norm)?;
        close("idstn", &reals(&y), &reals(&xt.idstn(kind, axes, n, norm)?.to_vec()?), bound(120));
    }
    Ok(())
}

#[test]
fn matrices_are_those_of_tensors() -> Result<()> {
    let (shape, axes, d) = ([10, 12], [0, 1], device());
    let (x, z) = (noise(120, 3), complex(120, 9));
    let (xt, zt) = (Tensor::from_slice(&d, &x, &shape)?, Tensor::from_slice(&d, &z, &shape)?);
    for (norm, n) in NORMS.into_iter().flat_map(|norm| [None, Some([8, 30])].map(|n| (norm, n))) {
        let want = zt.fft2(axes, n, norm)?;
        let mut y = like(&want);
        slices::fft2(&z, shape, n, &mut y, norm)?;
        close("fft2", &y, &want.to_vec()?, bound(240));
        slices::ifft2(&z, shape, n, &mut y, norm)?;
        close("ifft2", &y, &zt.ifft2(axes, n, norm)?.to_vec()?, bound(240));
        let want = xt.rfft2(axes, n, norm)?;
        let mut half = like(&want);
        slices::rfft2(&x, shape, n, &mut half, norm)?;
        close("rfft2", &half, &want.to_vec()?, bound(240));
        slices::ihfft2(&x, shape, n, &mut half, norm)?;
        close("ihfft2", &half, &xt.ihfft2(axes, n, norm)?.to_vec()?, bound(240));
        let want = zt.irfft2(axes, n, norm)?;
        let mut real = vec![f64::NAN; want.len()];
        slices::irfft2(&z, shape, n, &mut real, norm)?;
        close("irfft2", &reals(&real), &reals(&want.to_vec()?), bound(240));
        slices::hfft2(&z, shape, n, &mut real, norm)?;
        close("hfft2", &reals(&real), &reals(&zt.hfft2(axes, n, norm)?.to_vec()?), bound(240));
        let mut y = z.clone();
        slices::fft2_in_place(&mut y, shape, norm)?;
        close("fft2_in_place", &y, &zt.fft2(axes, None, norm)?.to_vec()?, bound(240));
        slices::ifft2_in_place(&mut y, shape, norm)?;
        close("ifft2_in_place", &y, &z, 2.0 * bound(240));
    }
    Ok(())
}

/// Large enough for several threads, in single precision, with lengths that have factors beyond 7 and without.
#[test]
fn large_arrays_are_those_of_tensors() -> Result<()> {
    let norm = Norm::Backward;
    for shape in [[64, 48, 40], [11, 128, 77], [2, 3, 4099]] {
        let len = shape.iter().product();
        let z = single(&complex(len, 5));
        let x: Vec<f32> = z.iter().map(|z| z.re).collect();
        let wide =
            |y: &[Complex32]| y.iter().map(|z| Complex64::new(z.re.into(), z.im.into())).collect::<Vec<_>>();
        let d = device();
        let near = |what: &str, got: &[Complex32], want: &Tensor| -> Result<()> {
            close(what, &wide(got), &wide(&want.to_vec()?), 4e-7 * (len as f64).log2());
            Ok(())
        };
        for axes in [&[0, 1, 2][..], &[0], &[1], &[2], &[0, 2]] {
            let mut y = z.clone();
            slices::fftn_in_place(&mut y, &shape, axes, norm)?;
            near("fftn", &y, &Tensor::from_slice(&d, &z, &shape)?.fftn(axes, None, norm)?)?;
            let want = Tensor::from_slice(&d, &x, &shape)?.rfftn(axes, None, norm)?;
            let mut half = vec![Complex32::default(); want.len()];
            slices::rfftn(&x, &shape, axes, None, &mut half, norm)?;
            near("rfftn", &half, &want)?;
            let n: Vec<usize> = axes.iter().map(|&a| shape[a]).collect();
            let mut back = vec![0f32; len];
            slices::irfftn(&half, want.shape(), axes, Some(&n), &mut back, norm)?;
            assert!(back.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
    Ok(())
}

#[test]
fn empty_arrays_and_axes() -> Result<()> {
    let norm = Norm::Backward;
    let mut none: [Complex64; 0] = [];
    slices::fftn_in_place(&mut none, &[0, 4], &[1], norm)?;
    slices::rfftn(&[0f64; 0], &[0, 4], &[1], None, &mut none, norm)?;
    slices::irfftn(&none.clone(), &[0, 4], &[1], Some(&[6]), &mut [0f64; 0], norm)?;
    // Only padding: zeros.
    let mut y = [Complex64::new(7.0, 7.0); 6];
    slices::fftn(&none, &[3, 0], &[1], Some(&[2]), &mut y, norm)?;
    assert_eq!(y, [Complex64::default(); 6]);
    let mut y = [Complex64::new(7.0, 7.0); 6];
    slices::rfftn(&[0f64; 0], &[3, 0], &[1], Some(&[2]), &mut y, norm)?;
    assert_eq!(y, [Complex64::default(); 6]);
    let mut real = [7f64; 6];
    slices::irfftn(&none, &[3, 0], &[1], Some(&[2]), &mut real, norm)?;
    assert_eq!(real, [0.0; 6]);
    // No axes: nothing is transformed.
    let z = complex(6, 1);
    let mut y = z.clone();
    slices::fftn_in_place(&mut y, &[2, 3], &[], norm)?;
    assert_eq!(y, z);
    slices::fftn(&z, &[6], &[], None, &mut y, norm)?;
    assert_eq!(y, z);
    Ok(())
}
