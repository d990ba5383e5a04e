var mean = vec4<f32>();
    for (var v = 0u; v < {{VECTORS}}u; v += 1u) {
        let place = place_G(at, row[v % 4u]);
        for (var j = 0u; j < 4u; j += 1u) {
            let column = v / 4u * 64u + x * 4u + j;
            if (column < P.more[0].w) {
                mean[v % 4u] = fma(out[v][j], element_G(place + i32(column) * P.steps[3].w), mean[v % 4u]);
            }
        }
    }
    mean = sum_of_rows(local, mean);
    for (var i = 0u; i < 4u; i += 1u) {
        if (x == 0u && stored && row[i] < P.more[1].x) {
            D[u32(P.steps[7].x) + group * P.more[1].x + row[i]] = vec4<f32>(high[i], 1.0 / total[i], mean[i] / total[i], 0.0);
        }
    }
