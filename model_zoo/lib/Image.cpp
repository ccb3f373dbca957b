// The choice of the decoder, and what both share.
#include "Image.h"

#include "triton/Tensor/Files.h"

#include <algorithm>
#include <cctype>

namespace triton::zoo {

// A file of the largest picture without any compression is smaller than this.
static constexpr uint64_t maxFileBytes = uint64_t(1) << 29;

Result<void> checkImageSize(uint64_t width, uint64_t height, const std::string &name) {
  if (width == 0 || height == 0) return Error{name + ": the picture is empty"};
  if (width > maxImagePixels() / height)
    return Error{name + ": a picture of " + std::to_string(width) + " x " + std::to_string(height) + " pixels; at most " +
                 std::to_string(maxImagePixels()) + " are read"};
  return {};
}

Result<Image> decodeImage(std::span<const uint8_t> bytes, const std::string &name) {
  static constexpr uint8_t jpeg[] = {0xFF, 0xD8, 0xFF}, png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  auto begins = [&](std::span<const uint8_t> magic) {
    return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
  };
  if (begins(jpeg)) return decodeJpeg(bytes, name);
  if (begins(png)) return decodePng(bytes, name);
  return Error{name + ": neither a JPEG nor a PNG"};
}

Result<Image> readImage(const std::string &path) {
  Result<std::string> bytes = readFileBytes(path, maxFileBytes);
  if (!bytes) return bytes.takeError();
  return decodeImage({reinterpret_cast<const uint8_t *>(bytes->data()), bytes->size()}, path);
}

bool hasImageName(const std::string &path) {
  std::string lower = path;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower.ends_with(".jpg") || lower.ends_with(".jpeg") || lower.ends_with(".png");
}

} // namespace triton::zoo
