//! Parameters, and their first values.

use fft_core::{Complex64, DType, Device, Error, Result, Tensor};

use crate::autograd::Var;
use crate::random::Random;

/// A variable of a layer, by its path in the model.
#[derive(Debug, Clone)]
pub struct Parameter {
    path: String,
    var: Var,
}

impl Parameter {
    pub(super) fn new(path: String, var: Var) -> Self {
        Self { path, var }
    }

    /// The names of layers from the outermost, and its own: `model.layers.0.mlp.up_proj.weight`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The variable, which the layer shares.
    pub fn var(&self) -> &Var {
        &self.var
    }

    /// Whether it is trained; what a layer only keeps, such as positions, is not.
    pub fn is_trained(&self) -> bool {
        self.var.needs_grad()
    }
}

/// How first values are drawn. Of a complex parameter the mean of `|z|^2` has the variance told here, half of it in either part.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// One value.
    Constant(f64),
    /// Normal with mean 0.
    Normal {
        /// The standard deviation.
        std: f64,
    },
    /// Uniform in `[-bound, bound]`, of variance `bound^2 / 3`. Of a complex parameter, uniform on the disc of radius `bound`, of variance `bound^2 / 2`.
    Uniform {
        /// The largest magnitude.
        bound: f64,
    },
    /// Complex numbers of magnitude 1 with uniform phases; of a real parameter, 1 or -1.
    Phase,
}

impl Init {
    /// Zeros.
    pub const ZEROS: Self = Self::Constant(0.0);
    /// Ones.
    pub const ONES: Self = Self::Constant(1.0);

    fn draw(self, random: &mut Random, complex: bool) -> Complex64 {
        let turn = |random: &mut Random| Complex64::from_polar(1.0, random.uniform() * std::f64::consts::TAU);
        match self {
            Self::Constant(value) => value.into(),
            Self::Normal { std } if complex => {
                Complex64::new(random.normal(), random.normal()) * (std * std::f64::consts::FRAC_1_SQRT_2)
            }
            Self::Normal { std } => (std * random.normal()).into(),
            Self::Uniform { bound } if complex => turn(random) * (bound * random.uniform().sqrt()),
            Self::Uniform { bound } => (bound * (2.0 * random.uniform() - 1.0)).into(),
            Self::Phase if complex => turn(random),
            Self::Phase => (if random.bits() & 1 == 0 { 1.0 } else { -1.0 }).into(),
        }
    }

    /// A tensor of such values.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a number that is not finite, or integers; memory errors.
    pub fn tensor(
        self,
        device: &Device,
        shape: &[usize],
        dtype: DType,
        random: &mut Random,
    ) -> Result<Tensor> {
        const OP: &str = "Init";
        let (Self::Constant(size) | Self::Normal { std: size } | Self::Uniform { bound: size }) = self else {
            return self.drawn(device, shape, dtype, random);
        };
        if !size.is_finite() {
            return Err(Error::invalid(OP, "size", size, "must be finite"));
        }
        match self {
            Self::Constant(value) => Tensor::full(device, shape, dtype, value),
            _ => self.drawn(device, shape, dtype, random),
        }
    }

    fn drawn(self, device: &Device, shape: &[usize], dtype: DType, random: &mut Random) -> Result<Tensor> {
        if dtype.is_integer() {
            return Err(Error::invalid("Init", "dtype", dtype, "parameters are real or complex"));
        }
        let count = expect_room(device, shape, dtype)?;
        if dtype.is_complex() {
            let mut values: Vec<Complex64> = reserved(shape, count)?;
            values.extend((0..count).map(|_| self.draw(random, true)));
            return from_values(device, &values, shape, dtype);
        }
        let mut values: Vec<f64> = reserved(shape, count)?;
        values.extend((0..count).map(|_| self.draw(random, false).re));
        from_values(device, &values, shape, dtype)
    }
}

/// Elements of a shape that the device has room for, as it stands: asked before the host computes them.
pub(super) fn expect_room(device: &Device, shape: &[usize], dtype: DType) -> Result<usize> {
    let count = shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis));
    let bytes = count.and_then(|n| n.checked_mul(dtype.size()));
    let (Some(count), Some(bytes)) = (count, bytes) else {
        return Err(Error::invalid("Init", "shape", shape, "has too many elements"));
    };
    // Given back at once: the tensor reserves for itself.
    device.memory().reserve(bytes)?;
    Ok(count)
}

/// Room on the host.
fn reserved<T>(shape: &[usize], count: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    match values.try_reserve_exact(count) {
        Ok(()) => Ok(values),
        Err(_) => Err(Error::invalid("Init", "shape", shape, "has too many elements for the memory")),
    }
}

/// A tensor of the values rounded on the host: a device need not have double precision.
pub(crate) fn from_values<T>(device: &Device, values: &[T], shape: &[usize], dtype: DType) -> Result<Tensor>
where
    T: fft_core::Element + Into<Complex64>,
{
    let parts = values.iter().map(|&v| v.into());
    match dtype {
        DType::F64 | DType::C128 => Tensor::from_slice(device, values, shape)?.to_dtype(dtype),
        DType::C64 => {
            let narrow = |z: Complex64| fft_core::Complex32::new(z.re as f32, z.im as f32);
            Tensor::from_slice(device, &parts.map(narrow).collect::<Vec<_>>(), shape)
        }
        _ => {
            let narrow: Vec<f32> = parts.map(|z: Complex64| z.re as f32).collect();
            Tensor::from_slice(device, &narrow, shape)?.to_dtype(dtype)
        }
    }
}
