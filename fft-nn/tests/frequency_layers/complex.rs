//! Layers of complex numbers.

use fft_core::Complex64;
use fft_nn::autograd::Var;
use fft_nn::layers::{
    ComplexLinear, FrequencyLayerNorm, FrequencyRelu, Layer, frequency_layernorm, frequency_relu,
};

use super::{close, complex, constant, numbers, scope, values};

#[test]
fn complex_linear_is_its_sum() {
    let layer = ComplexLinear::new(&scope(), 3, 2, true).unwrap();
    layer.bias().unwrap().set_value(complex(&[2], 4).value()).unwrap();
    let x = complex(&[5, 3], 1);
    let (w, b) = (numbers(layer.weight()), numbers(layer.bias().unwrap()));
    let row = |x: &[Complex64]| -> Vec<Complex64> {
        (0..2).map(|o| b[o] + x.iter().zip(&w[3 * o..]).map(|(x, w)| x * w).sum::<Complex64>()).collect()
    };
    let expected: Vec<Complex64> = numbers(&x).chunks(3).flat_map(row).collect();
    close(&layer.forward(&x).unwrap(), &expected);
}

#[test]
fn frequency_relu_keeps_phases() {
    let z = complex(&[40, 3], 1);
    let bias = [-0.9, 0.4, 0.0];
    let one = |(i, z): (usize, &Complex64)| Complex64::from_polar((z.norm() + bias[i % 3]).max(0.0), z.arg());
    let expected: Vec<Complex64> = numbers(&z).iter().enumerate().map(one).collect();
    assert!(expected.iter().filter(|z| z.norm() == 0.0).count() > 3, "some are cut");
    close(&frequency_relu(&z, &constant(&bias, &[3])).unwrap(), &expected);
    // The layer's own bias.
    let layer = FrequencyRelu::new(&scope(), 3).unwrap();
    let expected: Vec<Complex64> =
        numbers(&z).iter().map(|z| Complex64::from_polar((z.norm() - 0.1).max(0.0), z.arg())).collect();
    close(&layer.forward(&z).unwrap(), &expected);
}

#[test]
fn zeros_stay_zeros_with_a_gradient() {
    let z = Var::leaf(constant(&[Complex64::ZERO, Complex64::I], &[2]).value());
    let y = frequency_relu(&z, &constant(&[0.5, 0.5], &[2])).unwrap();
    assert_eq!(numbers(&y), [Complex64::ZERO, 1.5 * Complex64::I]);
    y.abs_squared().unwrap().sum_all().unwrap().backward().unwrap();
    let grad: Vec<Complex64> = z.grad().unwrap().to_vec().unwrap();
    assert_eq!(grad[0], Complex64::ZERO);
    assert!((grad[1] - 3.0 * Complex64::I).norm() < 1e-14);
}

#[test]
fn frequency_layernorm_keeps_phases() {
    let z = complex(&[4, 5], 1);
    let weight = [0.5, 1.0, 2.0, 0.1, 3.0];
    let row = |z: &[Complex64]| -> Vec<Complex64> {
        let size = (z.iter().map(Complex64::norm_sqr).sum::<f64>() / 5.0 + 0.01).sqrt();
        z.iter().zip(weight).map(|(z, w)| z * w / size).collect()
    };
    let expected: Vec<Complex64> = numbers(&z).chunks(5).flat_map(row).collect();
    let y = frequency_layernorm(&z, &constant(&weight, &[5]), 0.01).unwrap();
    close(&y, &expected);
    let turned = values(&y.mul_conj(&z).unwrap().arg().unwrap());
    assert!(turned.iter().all(|angle| angle.abs() < 1e-14));
    let layer = FrequencyLayerNorm::new(&scope(), 5, 0.01).unwrap();
    close(
        &layer.forward(&z).unwrap(),
        &numbers(&frequency_layernorm(&z, &constant(&[1.0; 5], &[5]), 0.01).unwrap()),
    );
    assert!(frequency_layernorm(&constant(&[Complex64::I], &[]), &constant(&[1.0], &[1]), 0.0).is_err());
}
