// Complex numbers as vec2: real part, imaginary part.

fn cmul(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

// a b + sum.
fn cfma(a: vec2<f32>, b: vec2<f32>, sum: vec2<f32>) -> vec2<f32> {
    return fma(vec2<f32>(a.x), b, fma(vec2<f32>(-a.y, a.y), b.yx, sum));
}

fn cmul_conj(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(a.x * b.x + a.y * b.y, a.y * b.x - a.x * b.y);
}

// Scaled by the larger part of the divisor, so that its square cannot leave the type (Smith 1962).
fn cdiv(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    if (magnitude(b.x) >= magnitude(b.y) && b.x != 0.0) {
        let ratio = b.y / b.x;
        let scale = b.x + b.y * ratio;
        return vec2<f32>((a.x + a.y * ratio) / scale, (a.y - a.x * ratio) / scale);
    }
    if (b.y == 0.0) {
        return vec2<f32>(a.x / b.x, a.y / b.x);
    }
    let ratio = b.x / b.y;
    let scale = b.x * ratio + b.y;
    return vec2<f32>((a.x * ratio + a.y) / scale, (a.y * ratio - a.x) / scale);
}

// |z| without overflow: divided by the larger part.
fn cabs(z: vec2<f32>) -> f32 {
    let a = magnitude(z.x);
    let b = magnitude(z.y);
    if (is_inf(a) || is_inf(b)) {
        return infinity();
    }
    if (is_nan(a) || is_nan(b)) {
        return nan();
    }
    let large = select(b, a, a > b);
    let small = select(a, b, a > b);
    if (large == 0.0) {
        return 0.0;
    }
    let ratio = small / large;
    return large * sqrt(fma(ratio, ratio, 1.0));
}

fn carg(z: vec2<f32>) -> f32 {
    return atan2_(z.y, z.x);
}

fn cexp(z: vec2<f32>) -> vec2<f32> {
    let size = exp_(z.x);
    if (z.y == 0.0) {
        return vec2<f32>(size, z.y);
    }
    return vec2<f32>(size * cos_(z.y), size * sin_(z.y));
}

fn cln(z: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(ln_(cabs(z)), carg(z));
}

// The principal square root.
fn csqrt(z: vec2<f32>) -> vec2<f32> {
    let size = cabs(z);
    if (size == 0.0) {
        return vec2<f32>(0.0, z.y);
    }
    let t = sqrt(0.5 * size + 0.5 * magnitude(z.x));
    let other = 0.5 * (z.y / t);
    if (sign_bit(z.x)) {
        return vec2<f32>(magnitude(other), with_sign(t, z.y));
    }
    return vec2<f32>(t, other);
}

fn cpolar(size: f32, angle: f32) -> vec2<f32> {
    return vec2<f32>(size * cos_(angle), size * sin_(angle));
}

// z / |z|, 0 where 1 / |z| is not finite.
fn phasor(z: vec2<f32>, size: f32) -> vec2<f32> {
    if (size < 2.9387359e-39) {
        return vec2<f32>(0.0, 0.0);
    }
    return z / size;
}

// max(|z| + b, 0) z / |z|.
fn mod_relu(z: vec2<f32>, b: f32) -> vec2<f32> {
    let size = cabs(z);
    return phasor(z, size) * relu(size + b);
}

// The part of the gradient g along z that it passes.
fn mod_relu_passed(z: vec2<f32>, b: f32, g: vec2<f32>) -> f32 {
    let size = cabs(z);
    return select(0.0, dot(phasor(z, size), g), less_f(0.0, size + b));
}

// The gradient in z.
fn mod_relu_slope(z: vec2<f32>, b: f32, g: vec2<f32>) -> vec2<f32> {
    let size = cabs(z);
    let u = phasor(z, size);
    let along = dot(u, g);
    if (size < 2.9387359e-39) {
        return u;
    }
    return (g - u * along) * (relu(size + b) / size) + u * select(0.0, along, less_f(0.0, size + b));
}
