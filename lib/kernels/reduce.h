/* The largest element, and where a value stands first. */

static float top(const float *z, int64_t n)
{
    v16 most = v16_all(-INFINITY);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        most = v16_max(most, v16_load(z + i));
    if (i < n)
        most = v16_max(most, v16_load_part(z + i, n - i, -INFINITY));
    float lanes[16];
    v16_store(lanes, most);
    for (int half = 8; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            lanes[j] = lanes[j] > lanes[j + half] ? lanes[j] : lanes[j + half];
    return lanes[0];
}

static int64_t find(const float *z, int64_t n, float value)
{
    v16 wanted = v16_all(value);
    int64_t i = 0;
    while (i + 16 <= n && !v16_any_equal(v16_load(z + i), wanted))
        i += 16;
    while (i < n && !(z[i] == value))
        i++;
    return i;
}
