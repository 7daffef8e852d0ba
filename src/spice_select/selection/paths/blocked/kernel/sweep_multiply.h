/* Products of rows with panels of picks, for vectors of LANES floats and ROWS rows at a time. sweep.c includes this once for
 * each width of vector, with a TARGET and a NAME for what is defined here.
 *
 * However wide the vectors are, each product is summed term by term by fused multiply-adds: its bits are the same. */

typedef float NAME(vec) __attribute__((vector_size(4 * LANES), aligned(4)));

#define PANELS (2 * LANES / PANEL_PICKS) /* that two vectors hold: one, or two */

/* Take coordinate c of the rows and of one or two vectors, which lie `apart`, into the sums of their products. */
TARGET static INLINE void
NAME(step)(const float *const *row, const float *panel, int64_t apart, const int vectors, int64_t c, NAME(vec) (*sum)[2])
{
    NAME(vec) left = *(const NAME(vec) *)(panel + c * PANEL_PICKS);
    NAME(vec) right = vectors == 2 ? *(const NAME(vec) *)(panel + apart + c * PANEL_PICKS) : left;
    for (int i = 0; i < ROWS; i++) {
        sum[i][0] += row[i][c] * left;
        if (vectors == 2)
            sum[i][1] += row[i][c] * right;
    }
}

/* w[ROWS] += the rows times one or two vectors over `depth` coordinates; `below` lies w of the second. */
TARGET static INLINE void
NAME(multiply)(const float *const *x, int64_t from, const float *panel, int64_t apart, const int vectors, int64_t depth,
               float (*w)[PANEL_PICKS], int64_t below)
{
    NAME(vec) sum[ROWS][2];
    const float *row[ROWS];
    int64_t c = 0;
    for (int i = 0; i < ROWS; i++) {
        sum[i][0] = sum[i][1] = (NAME(vec)){0};
        row[i] = x[i] + from;
    }
    for (; c + 4 <= depth; c += 4) { /* four in a turn of the loop: some 10 % faster */
        NAME(step)(row, panel, apart, vectors, c, sum);
        NAME(step)(row, panel, apart, vectors, c + 1, sum);
        NAME(step)(row, panel, apart, vectors, c + 2, sum);
        NAME(step)(row, panel, apart, vectors, c + 3, sum);
    }
    for (; c < depth; c++)
        NAME(step)(row, panel, apart, vectors, c, sum);
    for (int i = 0; i < ROWS; i++) { /* the stretch is summed: one more rounding for each stretch, not for each term */
        *(NAME(vec) *)w[i] += sum[i][0];
        if (vectors == 2)
            *(NAME(vec) *)(w[i] + below) += sum[i][1];
    }
}

/* The products of `many` rows with `panels` panels from `panel` on. */
TARGET static void
NAME(multiply_all)(const Sweep *s, Bench *b, int64_t many, int64_t panel, int64_t panels)
{
    int64_t apart = PANELS == 2 ? s->d * PANEL_PICKS : LANES, below = PANELS == 2 ? MOST_ROWS * PANEL_PICKS : LANES;
    for (int64_t i = many; i % ROWS; i++)
        b->x[i] = b->x[many - 1]; /* what comes of these is not read */
    for (int64_t p = 0; p < panels; p++)
        memset(b->w[p], 0, sizeof(float) * PANEL_PICKS * ((many + ROWS - 1) / ROWS * ROWS));
    for (int64_t c = 0; c < s->d; c += SUM_TERMS) { /* a stretch of all rows stays in the cache while panels come and go */
        int64_t depth = s->d - c < SUM_TERMS ? s->d - c : SUM_TERMS;
        for (int64_t p = 0; p < panels; p += PANELS) {
            const float *part = s->packed + ((panel + p) * s->d + c) * PANEL_PICKS;
            for (int64_t i = 0; i < many; i += ROWS)
                if (p + PANELS <= panels)
                    NAME(multiply)(b->x + i, c, part, apart, 2, depth, &b->w[p][i], below);
                else
                    NAME(multiply)(b->x + i, c, part, apart, 1, depth, &b->w[p][i], below);
        }
    }
}

#undef LANES
#undef ROWS
#undef TARGET
#undef NAME
#undef PANELS
