//! The vocabulary of cosine and sine transforms.

/// The type of a cosine or sine transform, as numbered by all libraries.
///
/// With `M` points in a period (see [`period`](DctSpec::period)) and no norm the cosine transforms of `x[0..n]` are, as in SciPy,
///
/// | type | `y[k]` |
/// |---|---|
/// | I | `x[0] + (-1)^k x[n-1] + 2 sum_{0<j<n-1} x[j] cos(pi j k / (n-1))`, `n >= 2` |
/// | II | `2 sum_j x[j] cos(pi (2j+1) k / 2n)` |
/// | III | `x[0] + 2 sum_{0<j} x[j] cos(pi j (2k+1) / 2n)` |
/// | IV | `2 sum_j x[j] cos(pi (2j+1) (2k+1) / 4n)` |
///
/// and the sine transforms
///
/// | type | `y[k]` |
/// |---|---|
/// | I | `2 sum_j x[j] sin(pi (j+1) (k+1) / (n+1))` |
/// | II | `2 sum_j x[j] sin(pi (2j+1) (k+1) / 2n)` |
/// | III | `(-1)^k x[n-1] + 2 sum_{j<n-1} x[j] sin(pi (j+1) (2k+1) / 2n)` |
/// | IV | `2 sum_j x[j] sin(pi (2j+1) (2k+1) / 4n)` |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DctType {
    /// Even or odd about the first and the last point, or the points beyond them; its own inverse.
    I,
    /// Even or odd about half a point before the first and after the last: "the" cosine transform.
    II,
    /// The inverse of type II.
    III,
    /// Shifted by half a point in both domains; its own inverse.
    IV,
}

impl DctType {
    /// Every type.
    pub const ALL: [DctType; 4] = [DctType::I, DctType::II, DctType::III, DctType::IV];

    /// The type of the inverse.
    pub const fn inverse(self) -> Self {
        match self {
            DctType::II => DctType::III,
            DctType::III => DctType::II,
            other => other,
        }
    }
}

/// Which wave a real transform is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wave {
    /// Discrete cosine transforms.
    Cosine,
    /// Discrete sine transforms.
    Sine,
}

/// A batched cosine or sine transform along one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DctSpec {
    /// Cosines or sines.
    pub wave: Wave,
    /// The type.
    pub kind: DctType,
    /// The axis transformed; at least one point, two for the cosine transform of type I.
    pub axis: usize,
    /// A factor on the result.
    pub scale: f64,
    /// Whether the matrix of the transform is made orthogonal (up to the factor): the input's first and last point times the
    /// square root of 2 and the output's divided by it (cosine, I); output 0 (cosine, II) or `n - 1` (sine, II) divided by it; input 0 (cosine,
    /// III) or `n - 1` (sine, III) times it.
    pub orthogonal: bool,
}

impl DctSpec {
    /// Points of one period of the periodic signal that `n` points stand for: `2 (n - 1)`, `2 (n + 1)` or `2 n`. A transform and
    /// its inverse type after one another are this factor.
    pub const fn period(wave: Wave, kind: DctType, n: usize) -> usize {
        match (wave, kind) {
            (Wave::Cosine, DctType::I) => n.saturating_sub(1).saturating_mul(2),
            (Wave::Sine, DctType::I) => n.saturating_add(1).saturating_mul(2),
            _ => n.saturating_mul(2),
        }
    }
}
