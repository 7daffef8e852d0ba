/* One tile of a float64 product, for vectors of LANES doubles and ROWS rows at a time. product.c includes this once for each
 * width of vector, with a TARGET and a NAME for what is defined here. Its bits are the same for all: as in sweep_multiply.h. */

typedef double NAME(vec) __attribute__((vector_size(8 * LANES), aligned(8)));

#define COLS (2 * LANES)

/* `lines` lines of `depth` entries side by side, `wide` at a time: to[line / wide][c][line % wide], filled up with zeros. */
TARGET static INLINE void
NAME(pack)(const double *from, int64_t next_line, int64_t next_entry, int64_t lines, int64_t depth, const int64_t wide, double *to)
{
    for (int64_t i = 0; i < lines; i += wide, from += wide * next_line, to += wide * depth) {
        int64_t here = lines - i < wide ? lines - i : wide;
        if (here < wide)
            memset(to, 0, sizeof(double) * wide * depth);
        for (int64_t c = 0; c < depth; c++)
            for (int64_t j = 0; j < (here < wide ? here : wide); j++)
                to[c * wide + j] = from[j * next_line + c * next_entry];
    }
}

/* The same for lines that lie side by side already: as whole columns of a row-major matrix do. */
TARGET static void
NAME(pack_columns)(const double *from, int64_t next_entry, int64_t lines, int64_t depth, double *to)
{
    int64_t whole = lines / COLS * COLS;
    for (int64_t c = 0; c < depth; c++, from += next_entry, to += COLS) {
        double *panel = to;
        for (int64_t j = 0; j < whole; j += COLS, panel += COLS * depth) {
            *(NAME(vec) *)panel = *(const NAME(vec) *)(from + j);
            *(NAME(vec) *)(panel + LANES) = *(const NAME(vec) *)(from + j + LANES);
        }
        for (int64_t j = whole; j < lines || (j % COLS && j < whole + COLS); j++)
            panel[j - whole] = j < lines ? from[j] : 0;
    }
}

/* Take entry c of the rows, whose entries lie `apart`, and of packed columns into the sums of their products. */
TARGET static INLINE void
NAME(step)(const double *const *row, const int64_t apart, const double *columns, int64_t c, NAME(vec) (*sum)[2])
{
    NAME(vec) left = *(const NAME(vec) *)(columns + c * COLS), right = *(const NAME(vec) *)(columns + c * COLS + LANES);
    for (int i = 0; i < ROWS; i++) {
        sum[i][0] += row[i][c * apart] * left;
        sum[i][1] += row[i][c * apart] * right;
    }
}

/* sums[ROWS][COLS] = the rows times packed columns. */
TARGET static INLINE void
NAME(multiply)(const double *const *rows, const int64_t apart, const double *columns, int64_t depth, double (*sums)[COLS])
{
    NAME(vec) sum[ROWS][2];
    const double *row[ROWS];
    int64_t c = 0;
    for (int i = 0; i < ROWS; i++) {
        sum[i][0] = sum[i][1] = (NAME(vec)){0};
        row[i] = rows[i];
    }
    for (; c + 4 <= depth; c += 4) { /* as in sweep_multiply.h */
        NAME(step)(row, apart, columns, c, sum);
        NAME(step)(row, apart, columns, c + 1, sum);
        NAME(step)(row, apart, columns, c + 2, sum);
        NAME(step)(row, apart, columns, c + 3, sum);
    }
    for (; c < depth; c++)
        NAME(step)(row, apart, columns, c, sum);
    for (int i = 0; i < ROWS; i++) {
        *(NAME(vec) *)sums[i] = sum[i][0];
        *(NAME(vec) *)(sums[i] + LANES) = sum[i][1];
    }
}

/* Write the sums to row i and column j of `out`, as far as it goes. */
TARGET static INLINE void
NAME(put)(const Job *job, double (*sums)[COLS], int64_t i, int64_t j, int add)
{
    double *to = job->out + i * job->below + j;
    int64_t rows = job->m - i < ROWS ? job->m - i : ROWS, columns = job->n - j < COLS ? job->n - j : COLS;
    for (int64_t y = 0; y < rows; y++, to += job->below)
        if (columns == COLS)
            for (int x = 0; x < COLS; x += LANES) {
                NAME(vec) sum = *(const NAME(vec) *)(sums[y] + x), *at = (NAME(vec) *)(to + x);
                *at = add ? job->factor * sum + *at : job->factor * sum;
            }
        else
            for (int64_t x = 0; x < columns; x++)
                to[x] = job->factor * sums[y][x] + (add ? to[x] : 0);
}

/* The tile of `out` whose upper left corner is (top, left). */
TARGET static void
NAME(tile)(const Job *job, double *room, int64_t top, int64_t left)
{
    const Matrix *a = &job->a, *b = &job->b;
    int64_t height = job->m - top < HEIGHT ? job->m - top : HEIGHT, width = job->n - left < job->width ? job->n - left : job->width;
    double *columns = room + (HEIGHT + MOST_ROWS) * DEPTH, sums[ROWS][COLS];
    for (int64_t from = 0; from < job->depth; from += DEPTH) {
        int64_t depth = job->depth - from < DEPTH ? job->depth - from : DEPTH;
        const double *rows = a->at + top * a->down + from * a->right, *x[ROWS];
        if (a->right != 1)
            NAME(pack)(rows, a->down, a->right, height, depth, ROWS, room);
        if (b->right == 1)
            NAME(pack_columns)(b->at + left + from * b->down, b->down, width, depth, columns);
        else
            NAME(pack)(b->at + left * b->right + from * b->down, b->right, b->down, width, depth, COLS, columns);
        for (int64_t j = 0; j < width; j += COLS)
            for (int64_t i = 0; i < height; i += ROWS) {
                for (int64_t y = 0; y < ROWS; y++) /* a row beyond the last is the last again, and not kept */
                    x[y] = a->right != 1 ? room + i * depth + y : rows + (i + y < height ? i + y : height - 1) * a->down;
                if (a->right != 1)
                    NAME(multiply)(x, ROWS, columns + j * depth, depth, sums);
                else
                    NAME(multiply)(x, 1, columns + j * depth, depth, sums);
                NAME(put)(job, sums, top + i, left + j, job->add || from > 0);
            }
    }
}

#undef LANES
#undef ROWS
#undef COLS
#undef TARGET
#undef NAME
