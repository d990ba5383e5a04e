// Products with rotated quantised matrices. P.more[0]: rows, columns, vectors, words of a row; [1]: groups of a row, columns of a group, floats
// from one rotated vector to the next, floats from one result to the next. P.value: the gain, the factors of inner and outer elements of
// vectors, and of results.
const PER_WORD: u32 = {{PER_WORD}}u;

// The levels of a word, four columns at a time.
fn levels(word: u32, part: u32) -> vec4<f32> {
    {{LEVELS}}
}

// A word of the codes: those of 16 rows lie side by side.
fn code(row: u32, word: u32) -> u32 {
    return C[u32(P.base.x) + (row / 16u * P.more[0].w + word) * 16u + row % 16u];
}

fn scale(row: u32, column: u32) -> f32 {
    let i = P.base.y + i32((row / 16u * P.more[1].x + column / P.more[1].y) * 16u + row % 16u);
    return {{SCALE}};
}

// Whether an element of a real spectrum as a rotation orders it is not one of a pair: bin 0, and the last of an even length.
fn alone(j: u32, length: u32) -> bool {
    return j == 0u || 2u * ((j + 1u) / 2u) == length;
}

// An element of a rotated vector, 0 past the last.
fn element(vector: u32, j: u32) -> f32 {
    if (j >= P.more[0].y || vector >= P.more[0].z) {
        return 0.0;
    }
    {{ELEMENT}}
}

fn put(vector: u32, j: u32, sum: f32) {
    if (j >= P.more[0].x || vector >= P.more[0].z) {
        return;
    }
    let value = sum * P.value.x;
    {{PUT}}
}
