// JPEG through libjpeg(-turbo). The library reports errors by a callback that may not return: it jumps back into the small functions
// below that call setjmp. These hold no object with a destructor, so nothing is skipped.
#include "Image.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jerror.h>
#include <jpeglib.h>

namespace triton::zoo {

// Scans of a progressive file cost a pass over all coefficients each, however few bytes they have. Ordinary files have ten.
static constexpr uint64_t maxScannedPixels = uint64_t(1) << 31;

namespace {
struct Decoder {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX] = {};

  Decoder() = default;
  Decoder(const Decoder &) = delete;
  ~Decoder() { jpeg_destroy_decompress(&info); } // does nothing to one that was never created
};
} // namespace

static Decoder &owner(j_common_ptr info) { return *static_cast<Decoder *>(info->client_data); }

[[noreturn]] static void onError(j_common_ptr info) {
  Decoder &decoder = owner(info);
  info->err->format_message(info, decoder.message);
  std::longjmp(decoder.escape, 1);
}

static void onMessage(j_common_ptr info, int level) {
  // Files with small faults are common and decode; one that ends too early would be filled up with gray.
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) {
    std::strcpy(owner(info).message, "the file is truncated");
    std::longjmp(owner(info).escape, 1);
  }
}

static void onProgress(j_common_ptr info) {
  const j_decompress_ptr d = reinterpret_cast<j_decompress_ptr>(info);
  if (uint64_t(d->input_scan_number) * d->image_width * d->image_height <= maxScannedPixels) return;
  std::snprintf(owner(info).message, JMSG_LENGTH_MAX, "more than %d scans", d->input_scan_number - 1);
  std::longjmp(owner(info).escape, 1);
}

static bool readHeader(Decoder &d, const uint8_t *data, size_t bytes) {
  d.info.err = jpeg_std_error(&d.errors);
  d.info.client_data = &d; // kept by jpeg_create_decompress
  d.errors.error_exit = onError;
  d.errors.emit_message = onMessage;
  d.errors.output_message = [](j_common_ptr) {};
  if (setjmp(d.escape)) return false;
  jpeg_create_decompress(&d.info);
  d.progress.progress_monitor = onProgress;
  d.info.progress = &d.progress;
  jpeg_mem_src(&d.info, data, bytes);
  jpeg_read_header(&d.info, TRUE);
  return true;
}

static bool start(Decoder &d) {
  if (setjmp(d.escape)) return false;
  jpeg_start_decompress(&d.info);
  return true;
}

static bool readRow(Decoder &d, uint8_t *row) {
  if (setjmp(d.escape)) return false;
  while (jpeg_read_scanlines(&d.info, &row, 1) == 0) {}
  return true;
}

/// a * b / 255 to the nearest, for bytes.
static uint8_t scaled(unsigned a, unsigned b) {
  const unsigned product = a * b + 128;
  return static_cast<uint8_t>(((product >> 8) + product) >> 8);
}

Result<Image> decodeJpeg(std::span<const uint8_t> bytes, const std::string &name) {
  Decoder d;
  const auto failed = [&] { return Error{name + ": not a readable JPEG: " + d.message}; };
  if (!readHeader(d, bytes.data(), bytes.size())) return failed();
  if (Result<void> size = checkImageSize(d.info.image_width, d.info.image_height, name); !size) return size.takeError();
  const int components = d.info.num_components;
  if (components != 1 && components != 3 && components != 4)
    return Error{name + ": a JPEG of " + std::to_string(components) + " components (1, 3 and 4 are known)"};
  d.info.out_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  if (!start(d)) return failed();
  if (d.info.output_components != components)
    return Error{name + ": not a readable JPEG: its components are not those of its header"};

  Image image;
  image.width = d.info.output_width;
  image.height = d.info.output_height;
  image.pixels.resize(size_t(3) * image.width * image.height);
  std::vector<uint8_t> row(components == 3 ? 0 : size_t(components) * image.width);
  for (uint32_t y = 0; y < image.height; ++y) {
    uint8_t *out = image.pixels.data() + size_t(3) * image.width * y;
    if (!readRow(d, components == 3 ? out : row.data())) return failed();
    for (uint32_t x = 0; components != 3 && x < image.width; ++x)
      for (unsigned c = 0; c < 3; ++c)
        // Stored inverted: the byte is 255 - C already, and 255 - K.
        out[3 * x + c] = components == 1 ? row[x] : uint8_t(row[4 * x + 3] - scaled(255u - row[4 * x + c], row[4 * x + 3]));
  }
  return image;
}

} // namespace triton::zoo
