//! Lines, and plans of them.

use fft_core::{Complex32, Complex64, DctType, Norm, Result, Tensor, Wave};
use fft_cpu::slices::{self, DctPlan, Plan, RealPlan};

use crate::{NORMS, bound, close, complex, device, noise, reals, single};

#[test]
fn lines_are_those_of_tensors() -> Result<()> {
    let d = device();
    for n in [1, 2, 3, 4, 5, 8, 16, 37, 60, 64, 100, 127, 1000] {
        let (z, x) = (complex(n, 3), noise(n, 5));
        let (zt, xt) = (Tensor::from_slice(&d, &z, &[n])?, Tensor::from_slice(&d, &x, &[n])?);
        for norm in NORMS {
            let what = format!("n = {n}, {norm:?}");
            let mut y = vec![Complex64::default(); n];
            slices::fft(&z, &mut y, norm)?;
            close(&what, &y, &zt.fft(0, None, norm)?.to_vec()?, bound(n));
            slices::ifft_in_place(&mut y, norm)?;
            close(&what, &y, &z, 2.0 * bound(n));
            slices::ifft(&z, &mut y, norm)?;
            close(&what, &y, &zt.ifft(0, None, norm)?.to_vec()?, bound(n));
            slices::fft_in_place(&mut y, norm)?;
            close(&what, &y, &z, 2.0 * bound(n));
            let mut half = vec![Complex64::default(); n / 2 + 1];
            let mut back = vec![0.0; n];
            slices::rfft(&x, &mut half, norm)?;
            close(&what, &half, &xt.rfft(0, None, norm)?.to_vec()?, bound(n));
            slices::irfft(&half, &mut back, norm)?;
            close(&what, &reals(&back), &reals(&x), 2.0 * bound(n));
            slices::ihfft(&x, &mut half, norm)?;
            close(&what, &half, &xt.ihfft(0, None, norm)?.to_vec()?, bound(n));
            slices::hfft(&half, &mut back, norm)?;
            close(&what, &reals(&back), &reals(&x), 2.0 * bound(n));
            for kind in DctType::ALL.into_iter().filter(|&kind| n > 1 || kind != DctType::I) {
                let mut out = vec![0.0; n];
                slices::dct(&x, &mut out, kind, norm)?;
                close(&what, &reals(&out), &reals(&xt.dct(kind, 0, None, norm)?.to_vec()?), bound(4 * n));
                slices::idct(&x, &mut out, kind, norm)?;
                close(&what, &reals(&out), &reals(&xt.idct(kind, 0, None, norm)?.to_vec()?), bound(4 * n));
                slices::dst(&x, &mut out, kind, norm)?;
                close(&what, &reals(&out), &reals(&xt.dst(kind, 0, None, norm)?.to_vec()?), bound(4 * n));
                slices::idst(&x, &mut out, kind, norm)?;
                close(&what, &reals(&out), &reals(&xt.idst(kind, 0, None, norm)?.to_vec()?), bound(4 * n));
                back.copy_from_slice(&x);
                slices::dct_in_place(&mut back, kind, norm)?;
                close(&what, &reals(&back), &reals(&xt.dct(kind, 0, None, norm)?.to_vec()?), bound(4 * n));
                slices::idct_in_place(&mut back, kind, norm)?;
                close(&what, &reals(&back), &reals(&x), 3.0 * bound(4 * n));
                slices::dst_in_place(&mut back, kind, norm)?;
                slices::idst_in_place(&mut back, kind, norm)?;
                close(&what, &reals(&back), &reals(&x), 5.0 * bound(4 * n));
            }
        }
    }
    Ok(())
}

#[test]
fn plans_take_many_lines_and_threads() -> Result<()> {
    for n in [7, 64, 101] {
        let (plan, real, cosine) = (
            Plan::<f32>::new(n)?,
            RealPlan::<f32>::new(n)?,
            DctPlan::<f32>::new(Wave::Cosine, DctType::II, n)?,
        );
        assert_eq!((plan.len(), real.len(), real.bins(), cosine.len()), (n, n, n / 2 + 1, n));
        let z = single(&complex(5 * n, 7));
        let x: Vec<f32> = z.iter().map(|z| z.re).collect();
        std::thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| {
                    let mut y = vec![Complex32::default(); 5 * n];
                    plan.fft(&z, &mut y, Norm::Ortho).expect("five lines");
                    let mut half = vec![Complex32::default(); 5 * real.bins()];
                    real.rfft(&x, &mut half, Norm::Ortho).expect("five lines");
                    let mut c = x.clone();
                    cosine.process_in_place(&mut c, Norm::Ortho).expect("five lines");
                    for line in 0..5 {
                        let range = line * n..(line + 1) * n;
                        let mut one = z[range.clone()].to_vec();
                        plan.fft_in_place(&mut one, Norm::Ortho).expect("one line");
                        // Several lines may run through other instructions than one, so not the same bits.
                        assert!(one.iter().zip(&y[range.clone()]).all(|(a, b)| (a - b).norm() < 1e-5));
                        let mut one = vec![Complex32::default(); real.bins()];
                        real.rfft(&x[range.clone()], &mut one, Norm::Ortho).expect("one line");
                        assert_eq!(one, half[line * real.bins()..][..real.bins()]);
                        let mut one = x[range.clone()].to_vec();
                        cosine.clone().process_in_place(&mut one, Norm::Ortho).expect("one line");
                        assert_eq!(one, c[range]);
                    }
                    plan.clone().ifft_in_place(&mut y, Norm::Ortho).expect("five lines");
                    assert!(y.iter().zip(&z).all(|(a, b)| (a - b).norm() < 1e-5));
                });
            }
        });
    }
    Ok(())
}

#[test]
fn what_is_not_finite_passes_through() -> Result<()> {
    for n in [1, 2, 5, 16, 31] {
        for poison in [f64::NAN, f64::INFINITY] {
            let mut z = complex(n, 1);
            z[n / 2].re = poison;
            slices::fft_in_place(&mut z, Norm::Ortho)?;
            assert!(z.iter().all(|z| !(z.re.is_finite() && z.im.is_finite())), "{n}");
        }
    }
    Ok(())
}
