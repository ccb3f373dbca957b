// Pictures: JPEG and PNG as 8-bit RGB, with the bytes that Pillow's open(..).convert("RGB") gives. No LLVM.
#pragma once

#include "triton/Support/Result.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace triton::zoo {

/// A picture of 8-bit RGB, row by row, the colours of a pixel beside each other.
struct Image {
  uint32_t width = 0, height = 0;
  std::vector<uint8_t> pixels; ///< 3 * width * height
};

/// More pixels than this are refused: a small file can claim any size.
inline uint64_t maxImagePixels() { return uint64_t(1) << 26; }

/// Decodes a JPEG or a PNG; its first bytes tell which, not its name. `name` stands in messages.
///
/// As Pillow converts to RGB: gray repeats, palettes are looked up (an index without an entry is black), alpha is dropped and nothing is
/// blended, 16-bit colours keep their high byte, 16-bit gray saturates at 255, CMYK and YCCK are taken as inverted (Adobe's way) and
/// become (255-C)(255-K)/255. Orientation (EXIF), gamma and colour profiles are ignored, as torchvision's loader ignores them.
///
/// Errors: another format; a damaged or truncated file; more than maxImagePixels(); a JPEG whose many scans would take minutes.
Result<Image> decodeImage(std::span<const uint8_t> bytes, const std::string &name);

/// Reads and decodes a file.
Result<Image> readImage(const std::string &path);

/// True for names that end in .jpg, .jpeg or .png, in any case.
bool hasImageName(const std::string &path);

// The two formats alone; decodeImage chooses.
Result<Image> decodeJpeg(std::span<const uint8_t> bytes, const std::string &name);
Result<Image> decodePng(std::span<const uint8_t> bytes, const std::string &name);

/// The error of a size that is zero or beyond maxImagePixels(); nothing for others.
Result<void> checkImageSize(uint64_t width, uint64_t height, const std::string &name);

} // namespace triton::zoo
