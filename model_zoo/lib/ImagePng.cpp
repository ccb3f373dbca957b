// PNG through libpng, which leaves on errors by longjmp: the functions that call setjmp hold no object with a destructor.
#include "Image.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <png.h>

namespace triton::zoo {

namespace {
struct Decoder {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const uint8_t *data = nullptr;
  size_t size = 0, at = 0;
  char message[160] = "out of memory";
  // Of the rows as they come: 1 channel of gray with 8 or 16 bits, or RGB with 8.
  png_uint_32 width = 0, height = 0;
  unsigned channels = 0, depth = 0;
  size_t rowBytes = 0;

  Decoder() = default;
  Decoder(const Decoder &) = delete;
  ~Decoder() { png_destroy_read_struct(png ? &png : nullptr, info ? &info : nullptr, nullptr); }
};
} // namespace

[[noreturn]] static void onError(png_structp png, png_const_charp text) {
  auto &decoder = *static_cast<Decoder *>(png_get_error_ptr(png));
  std::snprintf(decoder.message, sizeof(decoder.message), "%s", text);
  png_longjmp(png, 1);
}

static void onRead(png_structp png, png_bytep out, size_t bytes) {
  auto &decoder = *static_cast<Decoder *>(png_get_io_ptr(png));
  if (bytes > decoder.size - decoder.at) png_error(png, "the file is truncated");
  std::memcpy(out, decoder.data + decoder.at, bytes);
  decoder.at += bytes;
}

static bool readHeader(Decoder &d) {
  d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, onError, [](png_structp, png_const_charp) {});
  if (!d.png) return false;
  if (setjmp(png_jmpbuf(d.png))) return false;
  d.info = png_create_info_struct(d.png);
  if (!d.info) return false;
  png_set_read_fn(d.png, &d, onRead);
  png_set_user_limits(d.png, 1 << 20, 1 << 20);
  png_set_chunk_malloc_max(d.png, 1 << 23); // texts and profiles are not looked at; one may not inflate to gigabytes
  png_set_chunk_cache_max(d.png, 128);
  png_read_info(d.png, d.info);
  d.width = png_get_image_width(d.png, d.info);
  d.height = png_get_image_height(d.png, d.info);
  return true;
}

static bool prepare(Decoder &d) {
  if (setjmp(png_jmpbuf(d.png))) return false;
  const int type = png_get_color_type(d.png, d.info);
  const bool wideGray = type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(d.png, d.info) == 16;
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(d.png);
  if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(d.png);
  if (!wideGray) png_set_strip_16(d.png);
  png_set_strip_alpha(d.png);
  png_set_interlace_handling(d.png);
  png_read_update_info(d.png, d.info);
  d.channels = png_get_channels(d.png, d.info);
  d.depth = png_get_bit_depth(d.png, d.info);
  d.rowBytes = png_get_rowbytes(d.png, d.info);
  return true;
}

static bool readRows(Decoder &d, png_bytep *rows) {
  if (setjmp(png_jmpbuf(d.png))) return false;
  png_read_image(d.png, rows);
  return true;
}

Result<Image> decodePng(std::span<const uint8_t> bytes, const std::string &name) {
  Decoder d;
  d.data = bytes.data();
  d.size = bytes.size();
  const auto failed = [&] { return Error{name + ": not a readable PNG: " + d.message}; };
  if (!readHeader(d)) return failed();
  if (Result<void> size = checkImageSize(d.width, d.height, name); !size) return size.takeError();
  if (!prepare(d)) return failed();
  const bool gray = d.channels == 1;
  if ((!gray && d.channels != 3) || (d.depth != 8 && !(gray && d.depth == 16)) || d.rowBytes != size_t(d.width) * d.channels * d.depth / 8)
    return Error{name + ": not a readable PNG: " + std::to_string(d.channels) + " channels of " + std::to_string(d.depth) + " bits"};
  std::vector<uint8_t> raw(d.rowBytes * d.height);
  std::vector<png_bytep> rows(d.height);
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = raw.data() + y * d.rowBytes;
  if (!readRows(d, rows.data())) return failed();

  Image image;
  image.width = d.width;
  image.height = d.height;
  if (!gray) {
    image.pixels = std::move(raw);
    return image;
  }
  image.pixels.resize(size_t(3) * d.width * d.height);
  const size_t step = d.depth / 8;
  for (size_t i = 0; i < size_t(d.width) * d.height; ++i) {
    const uint8_t *value = raw.data() + i * step;
    const uint8_t level = step == 1 ? value[0] : value[0] ? 255 : value[1]; // 16 bits are big-endian, and saturate
    std::memset(image.pixels.data() + 3 * i, level, 3);
  }
  return image;
}

} // namespace triton::zoo
