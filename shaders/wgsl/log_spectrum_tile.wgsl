
// The conjugate of an element of a spectrum, of which half the bins are there.
fn spectrum(bin: u32, vector: u32) -> vec2<f32> {
    let n = P.more[0].y;
    let mirrored = 2u * bin > n;
    let x = X[{{FIRST}} + i32(select(bin, n - bin, mirrored) * P.more[0].z + vector)];
    return vec2<f32>(x.x, select(-x.y, x.y, mirrored));
}

// A pair's coefficient counts at u and, conjugated, at -u, which the real transform adds.
fn mirror_factor(u: u32) -> f32 {
    return select(0.5 * P.value.x, P.value.x, u == 0u || 2u * u == P.more[0].w);
}
