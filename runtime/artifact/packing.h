/* How trits lie on disk and in memory. The only place that knows; used by the compiler and by the loader. C11 and C++.
 *
 *   t5  on disk: five trits a byte, base 3: byte = sum (t[i] + 1) * 3^i, i = 0..4; the last byte is filled with t = 0. 1.6 bits a trit.
 *   i8  in memory: one byte a weight.
 *   t2  in memory: two bits a trit, code t + 1: see tri_pack_panels2.
 *   t3  in memory: two bits a trit, three taps a byte: see tri_pack_panels3.
 *   codes in memory: a byte for two or three trits of one channel: see tri_pack_codes.
 *
 * Canonical order on disk is [O][KO][KI]: output channel, outer reduction (kernel taps, row-major), inner reduction (input
 * channels of the group). Panels in memory are [ceil(O/NR)][KO][ceil(KI/KR)][NR][KR]: NR output channels side by side, KR consecutive
 * reduction steps of each (4 for dot-product instructions). What lies outside O or KI is zero. */
#ifndef TRITON_ARTIFACT_PACKING_H
#define TRITON_ARTIFACT_PACKING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tri_weight_encoding {
  TRI_ENC_RAW = 0, /* bytes as they are (float constants, tables, int8 weights) */
  TRI_ENC_T5 = 1,  /* five trits a byte */
  TRI_ENC_T2 = 2   /* four trits a byte, in memory only */
} tri_weight_encoding;

/* Shape of a panel layout (see above). All at least 1. For depthwise weights O is the channel count, KO the taps, KI = KR = 1. */
typedef struct tri_panel_layout {
  uint32_t o, ko, ki;
  uint32_t nr, kr;
} tri_panel_layout;

/* Bytes of `count` trits in t5. */
static inline size_t tri_t5_bytes(size_t count) { return count / 5 + (count % 5 != 0); }

/* Bytes of the panels as i8. 0 if the layout is not valid or the size does not fit. */
size_t tri_panel_bytes(const tri_panel_layout *layout);

/* Packs trits (-1, 0, 1; others are a caller's bug) to t5. `out` has tri_t5_bytes(count) bytes. */
void tri_pack_t5(const int8_t *trits, size_t count, uint8_t *out);

/* Unpacks; returns 0, or -1 if a byte is above 242 or a filler trit is not 0. */
int tri_unpack_t5(const uint8_t *bytes, size_t count, int8_t *out);

/* Lays canonical [O][KO][KI] weights out as i8 panels of tri_panel_bytes(layout) bytes. `weights` and `out` are disjoint. */
void tri_pack_panels(const int8_t *weights, const tri_panel_layout *layout, int8_t *out);

/* Bytes of the panels as t2. 0 if the layout is not valid or the size does not fit. */
size_t tri_panel2_bytes(const tri_panel_layout *layout);

/* Lays canonical trits out as t2 panels: as i8 panels, but a byte holds four groups of KR steps. In group G the byte of a channel and a
 * step j < KR has the trit of step (4 * G + g) * KR + j, plus 1, at its bits 2 * g and 2 * g + 1; what lies outside is 0, so 1. */
void tri_pack_panels2(const int8_t *trits, const tri_panel_layout *layout, uint8_t *out);

/* Bytes of the panels as t3. 0 if the layout is not valid (ko a multiple of 3) or the size does not fit. */
size_t tri_panel3_bytes(const tri_panel_layout *layout);

/* Lays canonical trits out as t3 panels: as i8 panels with a third of the outer steps, but a byte holds three of them, which are a row of taps. The
 * byte of outer step T has the trit of outer step 3 * T + s, plus 1, at its bits 2 * s and 2 * s + 1, and zeros above; what lies outside is 0, so 1. */
void tri_pack_panels3(const int8_t *trits, const tri_panel_layout *layout, uint8_t *out);

/* Bytes of the codes. 0 if the layout is not valid (nr even, kr at most 5) or the size does not fit. */
size_t tri_codes_bytes(const tri_panel_layout *layout);

/* Lays canonical trits out as codes: [ceil(O/NR)][KO][G][NR] with G = ceil(KI/KR). A code is KR trits of one channel in base 3,
 * sum (t + 1) * 3^(KR - 1 - r) over r < KR. For code g trit r is that of step min(r * G, KI - G) + g, so that runs of steps never go
 * beyond KI; a step that a run before has already is 0 here. Channels j and NR / 2 + j of a panel stand side by side at bytes 2 * j and
 * 2 * j + 1. What lies outside O is zero trits. */
void tri_pack_codes(const int8_t *trits, const tri_panel_layout *layout, uint8_t *out);

#ifdef __cplusplus
}
#endif
#endif
