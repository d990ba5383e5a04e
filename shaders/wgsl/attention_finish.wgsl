for (var v = 0u; v < {{VECTORS}}u; v += 1u) {
        for (var j = 0u; j < 4u; j += 1u) {
            let r = row[v % 4u];
            let column = v / 4u * 64u + x * 4u + j;
            if (stored && r < P.more[1].x && column < P.more[0].w) {
                finish(group * P.more[1].x + r, part, column, out[v][j], high[v % 4u], total[v % 4u]);
            }
        }
    }
