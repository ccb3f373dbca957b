/* Packing of trits: t5 through a table of the 243 bytes, panels by rows. */
#include "artifact/packing.h"

#include <string.h>

#define TRITS_PER_BYTE 5
#define T5_CODES 243 /* 3^5 */

void tri_pack_t5(const int8_t *trits, size_t count, uint8_t *out) {
  size_t i = 0;
  for (; i + TRITS_PER_BYTE <= count; i += TRITS_PER_BYTE) {
    /* Horner's rule; 121 is the code of five zeros, so the +1 of each trit needs no addition of its own. */
    const int value = (((trits[i + 4] * 3 + trits[i + 3]) * 3 + trits[i + 2]) * 3 + trits[i + 1]) * 3 + trits[i];
    *out++ = (uint8_t)(value + 121);
  }
  if (i == count) return;
  int value = 0;
  for (size_t j = count; j > i; --j) value = value * 3 + trits[j - 1];
  *out = (uint8_t)(value + 121);
}

/* The five trits of each code, as the bytes of an 8-byte word. Made per call on the stack: 243 codes cost less than a
 * microsecond, and the library has no constructor and no mutable global. */
typedef struct {
  int8_t trits[T5_CODES][8];
} t5_table;

static void make_table(t5_table *table) {
  for (int code = 0; code < T5_CODES; ++code) {
    int rest = code;
    for (int i = 0; i < 8; ++i) {
      table->trits[code][i] = i < TRITS_PER_BYTE ? (int8_t)(rest % 3 - 1) : 0;
      rest /= 3;
    }
  }
}

int tri_unpack_t5(const uint8_t *bytes, size_t count, int8_t *out) {
  t5_table table;
  make_table(&table);
  size_t i = 0;
  /* Whole words while eight bytes may be written. */
  for (; i + 8 <= count; i += TRITS_PER_BYTE) {
    const uint8_t code = *bytes++;
    if (code >= T5_CODES) return -1;
    memcpy(out + i, table.trits[code], 8);
  }
  while (i < count) {
    const uint8_t code = *bytes++;
    if (code >= T5_CODES) return -1;
    for (int j = 0; j < TRITS_PER_BYTE; ++j, ++i) {
      if (i < count)
        out[i] = table.trits[code][j];
      else if (table.trits[code][j] != 0)
        return -1;
    }
  }
  return 0;
}

/* a * b, or 0 if it does not fit (no factor here is 0). */
static size_t checked_product(size_t a, size_t b) {
  size_t product;
  return __builtin_mul_overflow(a, b, &product) ? 0 : product;
}

size_t tri_panel_bytes(const tri_panel_layout *layout) {
  if (!layout->o || !layout->ko || !layout->ki || !layout->nr || !layout->kr) return 0;
  const size_t panels = (layout->o - 1) / layout->nr + 1, groups = (layout->ki - 1) / layout->kr + 1;
  size_t bytes = checked_product(panels, layout->ko);
  bytes = checked_product(bytes, groups);
  bytes = checked_product(bytes, layout->nr);
  return checked_product(bytes, layout->kr);
}

void tri_pack_panels(const int8_t *weights, const tri_panel_layout *layout, int8_t *out) {
  const size_t o = layout->o, ko = layout->ko, ki = layout->ki, nr = layout->nr, kr = layout->kr;
  const size_t panels = (o - 1) / nr + 1, groups = (ki - 1) / kr + 1;
  for (size_t panel = 0; panel < panels; ++panel) {
    const size_t rows = panel * nr + nr <= o ? nr : o - panel * nr;
    for (size_t tap = 0; tap < ko; ++tap) {
      for (size_t group = 0; group < groups; ++group, out += nr * kr) {
        const size_t first = group * kr, length = first + kr <= ki ? kr : ki - first;
        if (rows < nr || length < kr) memset(out, 0, nr * kr);
        const int8_t *from = weights + (panel * nr * ko + tap) * ki + first;
        if (length == 4 && kr == 4) {
          for (size_t row = 0; row < rows; ++row) memcpy(out + row * 4, from + row * ko * ki, 4);
        } else {
          for (size_t row = 0; row < rows; ++row)
            for (size_t k = 0; k < length; ++k) out[row * kr + k] = from[row * ko * ki + k];
        }
      }
    }
  }
}

size_t tri_panel2_bytes(const tri_panel_layout *layout) {
  if (!layout->kr || layout->kr > UINT32_MAX / 4) return 0;
  tri_panel_layout wide = *layout;
  wide.kr *= 4;
  return tri_panel_bytes(&wide) / 4;
}

void tri_pack_panels2(const int8_t *trits, const tri_panel_layout *layout, uint8_t *out) {
  const size_t o = layout->o, ko = layout->ko, ki = layout->ki, nr = layout->nr, kr = layout->kr;
  const size_t panels = (o - 1) / nr + 1, groups = (ki - 1) / (4 * kr) + 1;
  for (size_t panel = 0; panel < panels; ++panel) {
    const size_t rows = panel * nr + nr <= o ? nr : o - panel * nr;
    for (size_t tap = 0; tap < ko; ++tap) {
      for (size_t group = 0; group < groups; ++group, out += nr * kr) {
        memset(out, 0x55, nr * kr);
        const size_t first = group * 4 * kr, length = first + 4 * kr <= ki ? 4 * kr : ki - first;
        const int8_t *from = trits + (panel * nr * ko + tap) * ki + first;
        for (size_t row = 0; row < rows; ++row, from += ko * ki)
          for (size_t k = 0; k < length; ++k)
            out[row * kr + k % kr] = (uint8_t)(out[row * kr + k % kr] + (unsigned)from[k] * (1u << (2 * (k / kr))));
      }
    }
  }
}

size_t tri_panel3_bytes(const tri_panel_layout *layout) {
  if (layout->ko % 3) return 0;
  tri_panel_layout rows = *layout;
  rows.ko /= 3;
  return tri_panel_bytes(&rows);
}

void tri_pack_panels3(const int8_t *trits, const tri_panel_layout *layout, uint8_t *out) {
  const size_t o = layout->o, ko = layout->ko, ki = layout->ki, nr = layout->nr, kr = layout->kr;
  const size_t panels = (o - 1) / nr + 1, groups = (ki - 1) / kr + 1;
  for (size_t panel = 0; panel < panels; ++panel) {
    const size_t rows = panel * nr + nr <= o ? nr : o - panel * nr;
    for (size_t tap = 0; tap < ko; tap += 3) {
      for (size_t group = 0; group < groups; ++group, out += nr * kr) {
        const size_t first = group * kr, length = first + kr <= ki ? kr : ki - first;
        if (rows < nr || length < kr) memset(out, 0x15, nr * kr);
        const int8_t *from = trits + (panel * nr * ko + tap) * ki + first;
        for (size_t row = 0; row < rows; ++row, from += ko * ki)
          for (size_t k = 0; k < length; ++k)
            out[row * kr + k] = (uint8_t)(0x15 + from[k] + from[ki + k] * 4 + from[2 * ki + k] * 16);
      }
    }
  }
}

size_t tri_codes_bytes(const tri_panel_layout *layout) {
  if (!layout->kr || layout->kr > TRITS_PER_BYTE || layout->nr % 2) return 0;
  const size_t bytes = tri_panel_bytes(layout);
  return bytes / layout->kr;
}

void tri_pack_codes(const int8_t *trits, const tri_panel_layout *layout, uint8_t *out) {
  const size_t o = layout->o, ko = layout->ko, ki = layout->ki, nr = layout->nr, kr = layout->kr, half = nr / 2;
  const size_t panels = (o - 1) / nr + 1, groups = (ki - 1) / kr + 1;
  unsigned zero = 0;
  for (size_t r = 0; r < kr; ++r) zero = zero * 3 + 1;
  for (size_t panel = 0; panel < panels; ++panel) {
    const size_t channels = panel * nr + nr <= o ? nr : o - panel * nr;
    for (size_t tap = 0; tap < ko; ++tap, out += groups * nr) {
      if (channels < nr) memset(out, (int)zero, groups * nr);
      for (size_t c = 0; c < channels; ++c) {
        const int8_t *from = trits + ((panel * nr + c) * ko + tap) * ki;
        uint8_t *to = out + 2 * (c % half) + c / half;
        for (size_t g = 0; g < groups; ++g) {
          unsigned code = 0;
          for (size_t r = 0; r < kr; ++r) {
            const size_t run = r * groups, step = (run < ki - groups ? run : ki - groups) + g;
            code = code * 3 + (unsigned)(step >= run ? from[step] + 1 : 1);
          }
          to[g * nr] = (uint8_t)code;
        }
      }
    }
  }
}
